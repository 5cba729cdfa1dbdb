//! The rule for a file's name.

use serde_json::{Value, json};

use crate::rpc::error::Fault;
use crate::storage::names::{LONGEST, Stem};

/// The JSON Schema of a file's name.
pub(super) fn schema() -> Value {
    json!({ "type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]*$", "maxLength": LONGEST + 4 })
}

pub(super) fn check(name: &str, value: &Value, extension: &str) -> Result<(), Fault> {
    let Some(text) = value.as_str() else {
        return Err(Fault::param(
            name,
            "type",
            format!("{name} is not a string"),
            format!("send {name} as a string"),
        ));
    };
    Stem::given(text, extension).map(drop).map_err(|_| {
        Fault::param(
            name,
            "filename",
            format!("{name} is no name of a file"),
            format!("use letters, digits, '-', '_' and '.', with a letter or digit first, {LONGEST} at most"),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rule(fault: Result<(), Fault>) -> String {
        fault.map_or_else(
            |f| {
                f.to_json("1")["data"]["rule"]
                    .as_str()
                    .unwrap_or("")
                    .to_owned()
            },
            |()| "kept".to_owned(),
        )
    }

    #[test]
    fn each_offence_names_its_rule() {
        assert_eq!(rule(check("filename", &json!("a.mp4"), "mp4")), "kept");
        assert_eq!(
            rule(check("filename", &json!("../../etc/passwd"), "mp4")),
            "filename"
        );
        assert_eq!(rule(check("filename", &json!(5), "mp4")), "type");
    }

    proptest! {
        #[test]
        fn a_name_with_a_way_out_is_refused_by_the_rule_filename(before in "[a-z]{0,5}", after in "\\PC{0,9}") {
            for way in ["/", "\\", "\0", "\n", " ", "ü"] {
                let fault = check("filename", &json!(format!("{before}{way}{after}")), "mp4");
                prop_assert_eq!(rule(fault), "filename");
            }
        }
    }
}
