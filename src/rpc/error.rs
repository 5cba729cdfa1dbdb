//! The contract's twelve error codes and the one shape of `error.data`.
//!
//! `data` is the code's own fields plus `reason`, `details`, `suggestion` and `hint` (the same text
//! as the suggestion), and nothing else.

use serde_json::{Map, Value, json};

use crate::access::Role;
use crate::access::limits::Wait;
use crate::system::calls::Ending;

/// Every code that goes over the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Code {
    /// The text is not JSON.
    ParseError,
    /// JSON, but not a request of JSON-RPC 2.0; also a batch.
    InvalidRequest,
    /// No such method.
    MethodNotFound,
    /// A parameter is missing, unknown or breaks its rule.
    InvalidParams,
    /// A bug of ours.
    InternalError,
    /// Not logged in, or no longer.
    AuthFailed,
    /// Logged in, but the role is too low.
    PermissionDenied,
    /// No such camera, stream or file.
    NotFound,
    /// Not possible in the present state.
    InvalidState,
    /// Switched off, or not built.
    Unsupported,
    /// Too many requests.
    RateLimited,
    /// A part beneath us did not do its work.
    DependencyFailed,
}

impl Code {
    /// All codes, in the order of the contract.
    pub const ALL: [Self; 12] = [
        Self::ParseError,
        Self::InvalidRequest,
        Self::MethodNotFound,
        Self::InvalidParams,
        Self::InternalError,
        Self::AuthFailed,
        Self::PermissionDenied,
        Self::NotFound,
        Self::InvalidState,
        Self::Unsupported,
        Self::RateLimited,
        Self::DependencyFailed,
    ];

    /// The number in `error.code`.
    #[must_use]
    pub const fn number(self) -> i32 {
        match self {
            Self::ParseError => -32700,
            Self::InvalidRequest => -32600,
            Self::MethodNotFound => -32601,
            Self::InvalidParams => -32602,
            Self::InternalError => -32603,
            Self::AuthFailed => -32001,
            Self::PermissionDenied => -32002,
            Self::NotFound => -32010,
            Self::InvalidState => -32020,
            Self::Unsupported => -32030,
            Self::RateLimited => -32040,
            Self::DependencyFailed => -32050,
        }
    }

    /// The name in the documents.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ParseError => "Parse Error",
            Self::InvalidRequest => "Invalid Request",
            Self::MethodNotFound => "Method Not Found",
            Self::InvalidParams => "Invalid Params",
            Self::InternalError => "Internal Error",
            Self::AuthFailed => "Auth Failed",
            Self::PermissionDenied => "Permission Denied",
            Self::NotFound => "Not Found",
            Self::InvalidState => "Invalid State",
            Self::Unsupported => "Unsupported",
            Self::RateLimited => "Rate Limited",
            Self::DependencyFailed => "Dependency Failed",
        }
    }

    /// The text in `error.message`, worded as existing clients have met it.
    #[must_use]
    pub const fn message(self) -> &'static str {
        match self {
            Self::ParseError => "Parse error",
            Self::InvalidRequest => "Invalid Request",
            Self::MethodNotFound => "Method not found",
            Self::InvalidParams => "Invalid parameters",
            Self::InternalError => "Internal server error",
            Self::AuthFailed => "Authentication failed or token expired",
            Self::PermissionDenied => "Permission denied",
            Self::NotFound => "Not found",
            Self::InvalidState => "Invalid state",
            Self::Unsupported => "Unsupported",
            Self::RateLimited => "Rate limited",
            Self::DependencyFailed => "Dependency failed",
        }
    }
}

/// A refusal or failure, ready to be put into an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    code: Code,
    fields: Map<String, Value>,
    reason: String,
    details: String,
    suggestion: String,
}

impl Fault {
    /// A fault: `reason` is a word for programs, `details` a sentence that names the place,
    /// `suggestion` what the caller should do next.
    #[must_use]
    pub fn new(
        code: Code,
        reason: impl Into<String>,
        details: impl Into<String>,
        suggestion: impl Into<String>,
    ) -> Self {
        Self {
            code,
            fields: Map::new(),
            reason: reason.into(),
            details: details.into(),
            suggestion: suggestion.into(),
        }
    }

    /// Adds one of the code's own fields.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.fields.insert(key.to_owned(), value.into());
        self
    }

    /// -32602 for one parameter and the rule it breaks.
    #[must_use]
    pub fn param(
        param: &str,
        rule: &str,
        details: impl Into<String>,
        suggestion: impl Into<String>,
    ) -> Self {
        Self::new(Code::InvalidParams, "invalid_params", details, suggestion)
            .with("param", param)
            .with("rule", rule)
    }

    /// -32001 with a machine-readable reason.
    #[must_use]
    pub fn auth(reason: &str, details: impl Into<String>) -> Self {
        Self::new(
            Code::AuthFailed,
            reason,
            details,
            "call authenticate with a valid token on this connection",
        )
    }

    /// -32002 for a role that is too low.
    #[must_use]
    pub fn role(required: Role, have: Role) -> Self {
        Self::new(
            Code::PermissionDenied,
            "insufficient_role",
            format!(
                "this needs the role {}, the token carries {}",
                required.as_str(),
                have.as_str()
            ),
            format!("authenticate with a token of role {}", required.as_str()),
        )
        .with("required_role", required.as_str())
        .with("have_role", have.as_str())
    }

    /// -32040 for one request too many.
    #[must_use]
    pub fn rate_limited(wait: Wait, what: &str) -> Self {
        let millis = wait.millis();
        Self::new(
            Code::RateLimited,
            "rate_limited",
            format!("too many {what} in a short time"),
            format!("wait {millis} ms and ask less often"),
        )
        .with("retry_after_ms", millis)
    }

    /// -32010 for a thing that does not exist.
    #[must_use]
    pub fn not_found(resource: &str, id: &str, suggestion: impl Into<String>) -> Self {
        Self::new(
            Code::NotFound,
            "not_found",
            format!("there is no {resource} {id:?}"),
            suggestion,
        )
        .with("resource", resource)
        .with("id", id)
    }

    /// -32050 for a part beneath us that failed.
    #[must_use]
    pub fn dependency(
        dependency: &str,
        detail: impl Into<String>,
        suggestion: impl Into<String>,
    ) -> Self {
        let detail = detail.into();
        Self::new(
            Code::DependencyFailed,
            "dependency_failed",
            detail.clone(),
            suggestion,
        )
        .with("dependency", dependency)
        .with("detail", detail)
    }

    /// The code.
    #[must_use]
    pub const fn code(&self) -> Code {
        self.code
    }

    /// Whose doing it is: that of the service or of a part beneath it, or the caller's.
    #[must_use]
    pub const fn ending(&self) -> Ending {
        match self.code {
            Code::InternalError | Code::DependencyFailed => Ending::Failed,
            _ => Ending::Refused,
        }
    }

    /// The machine-readable reason.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// The `error` member of an answer. `request_id` goes into `data` where the code has it.
    #[must_use]
    pub fn to_json(&self, request_id: &str) -> Value {
        let mut data = self.fields.clone();
        if self.code == Code::InternalError {
            data.insert("request_id".to_owned(), request_id.into());
        }
        for (key, text) in [
            ("reason", &self.reason),
            ("details", &self.details),
            ("suggestion", &self.suggestion),
            ("hint", &self.suggestion),
        ] {
            data.insert(key.to_owned(), text.as_str().into());
        }
        json!({ "code": self.code.number(), "message": self.code.message(), "data": data })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_holds_the_codes_fields_and_the_four_common_ones_and_nothing_else() {
        let keys = |fault: Fault| -> Vec<String> {
            fault.to_json("7")["data"]
                .as_object()
                .unwrap()
                .keys()
                .cloned()
                .collect()
        };
        let common = ["details", "hint", "reason", "suggestion"];
        let with = |own: &[&str]| {
            let mut all: Vec<String> = common.iter().chain(own).map(|k| (*k).to_owned()).collect();
            all.sort();
            all
        };
        assert_eq!(
            keys(Fault::param("device", "required", "d", "s")),
            with(&["param", "rule"])
        );
        assert_eq!(keys(Fault::auth("token_expired", "d")), with(&[]));
        assert_eq!(
            keys(Fault::role(Role::Admin, Role::Viewer)),
            with(&["required_role", "have_role"])
        );
        assert_eq!(
            keys(Fault::not_found("camera", "camera7", "s")),
            with(&["resource", "id"])
        );
        assert_eq!(
            keys(Fault::dependency("mediamtx", "d", "s")),
            with(&["dependency", "detail"])
        );
        assert_eq!(
            keys(Fault::rate_limited(
                Wait(std::time::Duration::ZERO),
                "requests"
            )),
            with(&["retry_after_ms"])
        );
        assert_eq!(
            keys(Fault::new(Code::InternalError, "r", "d", "s")),
            with(&["request_id"])
        );
    }

    #[test]
    fn the_twelve_codes_are_distinct_and_in_their_ranges() {
        let mut numbers: Vec<i32> = Code::ALL.iter().map(|c| c.number()).collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), 12);
        assert!(numbers.iter().all(|n| (-32700..=-32001).contains(n)));
    }
}
