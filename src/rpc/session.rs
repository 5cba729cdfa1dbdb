//! Who is at the other end of one connection, and until when.

use crate::access::Role;
use crate::access::limits::bucket::Bucket;
use crate::clock::Wall;
use crate::events::subscriptions::Subscriptions;
use crate::rpc::error::Fault;

/// What a good token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// Whose token it is.
    pub user_id: String,
    /// What it allows.
    pub role: Role,
    /// When it ends.
    pub expires_at: Wall,
    /// The id of the token or key, for the audit log; never the token itself.
    pub credential: Option<String>,
}

/// Why a token was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// A word for programs: `token_expired`, `token_revoked`, `token_invalid`, …
    pub reason: String,
    /// A sentence for people; never repeats the token.
    pub details: String,
}

/// Whoever judges tokens. Called on the request's path: it must not block.
pub trait Verify: Send + Sync {
    /// Judges one token.
    ///
    /// # Errors
    /// [`Refused`] with the reason.
    fn verify(&self, token: &str, now: Wall) -> Result<Login, Refused>;
}

/// The login state of one connection.
#[derive(Debug)]
pub struct Session {
    id: String,
    login: Option<Login>,
    /// The events this connection wants; they end with it.
    pub subscriptions: Subscriptions,
    /// Counts what [`super::guard`] lets pass for free.
    pub(super) pings: Bucket,
    /// Counts what came beyond the limits.
    pub(super) strikes: Bucket,
}

impl Session {
    /// A connection nobody has logged in on; `id` is a UUID of version 4.
    #[must_use]
    pub fn new(id: String) -> Self {
        Self {
            id,
            login: None,
            subscriptions: Subscriptions::default(),
            pings: Bucket::default(),
            strikes: Bucket::default(),
        }
    }

    /// The session's id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Who is logged in now. A token's end takes the rights at once.
    ///
    /// # Errors
    /// -32001 with `not_authenticated` or `token_expired`.
    pub fn login(&self, now: Wall) -> Result<&Login, Fault> {
        match &self.login {
            None => Err(Fault::auth(
                "not_authenticated",
                "nobody has logged in on this connection",
            )),
            Some(login) if login.expires_at <= now => Err(Fault::auth(
                "token_expired",
                format!("the token ended at {}", login.expires_at.rfc3339()),
            )),
            Some(login) => Ok(login),
        }
    }

    /// Takes a judged token: a good one replaces the present login, a bad one changes nothing.
    ///
    /// # Errors
    /// -32001 with the verifier's reason.
    pub fn log_in(&mut self, judged: Result<Login, Refused>, now: Wall) -> Result<&Login, Fault> {
        let login = judged.map_err(|r| Fault::auth(&r.reason, r.details))?;
        if login.expires_at <= now {
            return Err(Fault::auth(
                "token_expired",
                format!("the token ended at {}", login.expires_at.rfc3339()),
            ));
        }
        Ok(self.login.insert(login))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(role: Role, until: u64) -> Login {
        Login {
            user_id: "ada".to_owned(),
            role,
            expires_at: Wall::from_secs(until),
            credential: None,
        }
    }

    #[test]
    fn rights_end_with_the_token_and_come_back_with_a_new_one() {
        let mut session = Session::new("s".to_owned());
        let at = Wall::from_secs;
        assert_eq!(
            session.login(at(1)).unwrap_err().reason(),
            "not_authenticated"
        );
        session.log_in(Ok(login(Role::Viewer, 10)), at(1)).unwrap();
        assert_eq!(session.login(at(9)).unwrap().role, Role::Viewer);
        assert_eq!(session.login(at(10)).unwrap_err().reason(), "token_expired");
        session.log_in(Ok(login(Role::Admin, 30)), at(11)).unwrap();
        assert_eq!(session.login(at(12)).unwrap().role, Role::Admin);
    }

    #[test]
    fn a_refused_token_leaves_the_present_rights() {
        let mut session = Session::new("s".to_owned());
        let now = Wall::from_secs(1);
        session.log_in(Ok(login(Role::Operator, 10)), now).unwrap();
        let refused = Refused {
            reason: "token_invalid".to_owned(),
            details: "the signature does not match".to_owned(),
        };
        let fault = session.log_in(Err(refused), now).unwrap_err();
        assert_eq!(fault.reason(), "token_invalid");
        session.log_in(Ok(login(Role::Admin, 1)), now).unwrap_err();
        assert_eq!(session.login(now).unwrap().role, Role::Operator);
    }
}
