//! `get_download_url`: a link to a recording or snapshot that works without a header.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use crate::access::Role;
use crate::clock::Wall;
use crate::http::files::{Kind, Located, name};
use crate::rpc::Desk;
use crate::rpc::error::{Code, Fault};
use crate::rpc::io::later;
use crate::rpc::links::Reached;
use crate::rpc::params::{Param, Rule, whole};
use crate::rpc::session::{Login, Session};
use crate::rpc::table::{Answer, Call, Method, Outcome};

/// Life of a link when none is asked for: time to click it, and to go on after an interruption.
const LIFE: Duration = Duration::from_secs(300);

/// `get_download_url`.
pub const DOWNLOAD_URL: Method = Method {
    name: "get_download_url",
    role: Some(Role::Viewer),
    params: &[
        Param {
            name: "kind",
            rule: Rule::OneOf(&["recording", "snapshot"]),
            required: true,
            doc: "recording or snapshot",
        },
        Param {
            name: "filename",
            rule: Rule::Text,
            required: true,
            doc: "the name as the lists give it, with or without its extension",
        },
        Param {
            name: "ttl_s",
            rule: Rule::Integer {
                min: 1,
                max: 86_400,
            },
            required: false,
            doc: "seconds the link is good for; 300 when absent, never longer than this login",
        },
    ],
    result: "DownloadUrl",
    errors: &[Code::NotFound, Code::DependencyFailed],
    doc: "A link that downloads a recording or snapshot for a while without any header.",
    handler: |session, call| match download_url(session, call) {
        Ok(outcome) => outcome,
        Err(fault) => Outcome::Now(Err(fault)),
    },
};

fn download_url(session: &Session, call: Call) -> Result<Outcome, Fault> {
    let kind: Kind = call.text("kind").parse().map_err(|()| {
        Fault::param(
            "kind",
            "enum",
            "kind is neither recording nor snapshot",
            "send recording or snapshot",
        )
    })?;
    let asked = call.text("filename").to_owned();
    if !name::is_good(&asked) {
        return Err(Fault::param(
            "filename",
            "pattern",
            "filename is not the name of a file of ours",
            "send the name as the list of recordings or snapshots gives it",
        ));
    }
    let login = session.login(call.now.wall)?;
    let wanted = call.params.get("ttl_s").and_then(whole);
    let life = wanted
        .and_then(|secs| u64::try_from(secs).ok())
        .unwrap_or(LIFE.as_secs());
    let until = Wall::from_secs(call.now.wall.as_secs().saturating_add(life));
    let link = Link {
        kind,
        until: until.min(login.expires_at),
        who: Arc::clone(&login),
        reached: Arc::clone(&call.reached),
        desk: Arc::clone(&call.desk),
    };
    let search = call.desk.downloads.locate(kind, &asked);
    Ok(later(search, move |found| match found {
        Ok(Some(file)) => link.to(&file),
        Ok(None) => Err(Fault::not_found(
            kind.as_str(),
            &asked,
            format!("the list of {} names every one", kind.folder()),
        )),
        Err(error) => Err(Fault::dependency(
            "storage",
            error.to_string(),
            "check the disk of recordings and snapshots",
        )),
    }))
}

struct Link {
    kind: Kind,
    until: Wall,
    who: Arc<Login>,
    reached: Arc<Reached>,
    desk: Arc<Desk>,
}

impl Link {
    fn to(&self, file: &Located) -> Answer {
        // Whole seconds go into the signature; the answer says the same.
        let until = Wall::from_secs(self.until.as_secs());
        let downloads = &self.desk.downloads;
        let path = downloads.link(self.kind, &file.filename, &self.who, until);
        Ok(json!({
            "filename": file.filename,
            "file_size": file.size,
            "url": format!("{}{path}", self.reached.origin()),
            "download_url": path,
            "expires_at": until.rfc3339(),
        }))
    }
}
