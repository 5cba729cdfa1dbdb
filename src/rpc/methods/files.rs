//! What methods about recordings and snapshots share: parameters, pages, answers about files.

use serde_json::{Value, json};

use crate::error::Error;
use crate::rpc::error::{Code, Fault};
use crate::rpc::params::{Param, Rule, whole};
use crate::rpc::table::Call;
use crate::storage::names::Stem;
use crate::storage::shelf::{Entry, Page};

/// `limit` and `offset`.
pub(super) const PAGE: &[Param] = &[
    Param {
        name: "limit",
        rule: Rule::Integer { min: 1, max: 1000 },
        required: false,
        doc: "files in the answer at most; 50 when it is absent",
    },
    Param {
        name: "offset",
        rule: Rule::Integer {
            min: 0,
            max: i64::MAX,
        },
        required: false,
        doc: "files to pass over, counted from the newest",
    },
];

/// Which part of a list is asked for.
pub(super) fn page(call: &Call) -> Page {
    let number = |name: &str, default: usize| {
        let sent = call.params.get(name).and_then(whole);
        sent.map_or(default, |n| usize::try_from(n).unwrap_or(usize::MAX))
    };
    Page {
        limit: number("limit", 50),
        offset: number("offset", 0),
    }
}

/// The stem in `filename`, which the row's rule has let through; `None` when it is absent.
pub(super) fn stem(call: &Call, extension: &str) -> Option<Stem> {
    Stem::given(call.text("filename"), extension).ok()
}

/// `/files/recordings/NAME.mp4`.
pub(super) fn url(kind: &str, stem: &Stem, extension: &str) -> String {
    format!("/files/{kind}/{}", stem.with(extension))
}

/// The contract's `FileList`; with each file comes what is in its `extensions`.
pub(super) fn list<'a>(
    files: impl Iterator<Item = (&'a Entry, Value)>,
    total: usize,
    page: Page,
    (kind, extension): (&str, &str),
) -> Value {
    let files: Vec<Value> = files
        .map(|(entry, extensions)| {
            json!({
                "filename": entry.stem.as_str(),
                "file_size": entry.size,
                "modified_time": entry.modified.rfc3339(),
                "download_url": url(kind, &entry.stem, extension),
                "extensions": extensions,
            })
        })
        .collect();
    json!({
        "files": files,
        "total": total,
        "limit": page.limit,
        "offset": page.offset,
    })
}

/// -32010 for a file.
pub(super) fn no_such(resource: &str, stem: &Stem, lister: &str) -> Fault {
    Fault::not_found(
        resource,
        stem.as_str(),
        format!("{lister} names every {resource}"),
    )
}

/// -32603 for a disk that fails.
pub(super) fn disk(error: &Error) -> Fault {
    Fault::new(
        Code::InternalError,
        "storage_failed",
        error.to_string(),
        error
            .next_action()
            .unwrap_or("look at the medium with df and dmesg"),
    )
}

/// The contract's answer to a deletion.
pub(super) fn deleted(stem: &Stem) -> Value {
    json!({ "filename": stem.as_str(), "deleted": true, "message": format!("{stem} is deleted") })
}
