//! The access key: how its file is written. It is shown by nobody.

use std::fmt;

/// An access key of the store.
#[derive(Clone)]
pub struct Access {
    /// `aws_access_key_id`.
    pub key: String,
    /// `aws_secret_access_key`.
    pub secret: String,
    /// `aws_session_token`, of keys that end.
    pub token: Option<String>,
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Access")
    }
}

impl Access {
    /// From the lines `aws_access_key_id = …` and `aws_secret_access_key = …`, as AWS's own tools write them; their names
    /// may be in capitals, and sections and comments are passed over.
    ///
    /// # Errors
    /// What is missing. No part of the text.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let value = |wanted: &str| {
            text.lines().find_map(|line| {
                let (name, value) = line.split_once('=')?;
                let value = value.trim().trim_matches('"');
                (name.trim().eq_ignore_ascii_case(wanted) && !value.is_empty())
                    .then(|| value.to_owned())
            })
        };
        Ok(Self {
            key: value("aws_access_key_id").ok_or("it has no line aws_access_key_id = …")?,
            secret: value("aws_secret_access_key")
                .ok_or("it has no line aws_secret_access_key = …")?,
            token: value("aws_session_token"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_of_aws_own_tools_is_read_and_its_secret_shown_nowhere() {
        let text =
            "[default]\n# ours\naws_access_key_id = AKIA7\nAWS_SECRET_ACCESS_KEY=\"abc/=+\"\n";
        let access = Access::parse(text).unwrap();
        assert_eq!(
            (access.key.as_str(), access.secret.as_str()),
            ("AKIA7", "abc/=+")
        );
        assert_eq!(access.token, None);
        assert_eq!(format!("{access:?}"), "Access");
        for bad in ["", "aws_access_key_id = x", "aws_secret_access_key = x"] {
            assert!(Access::parse(bad).unwrap_err().starts_with("it has no"));
        }
    }
}
