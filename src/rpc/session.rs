//! Who is at the other end of one connection, and until when.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

pub use crate::access::Principal as Login;
use crate::access::limits::bucket::Bucket;
use crate::clock::Wall;
use crate::events::subscriptions::Subscriptions;
use crate::rpc::error::Fault;

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

    /// Moves whenever somebody's rights may have changed. Asked at every call: it must cost nothing.
    fn generation(&self) -> u64 {
        0
    }

    /// Judges once more somebody whose token was good: their rights as they are now.
    ///
    /// # Errors
    /// [`Refused`] with the reason.
    fn again(&self, login: &Login, now: Wall) -> Result<Login, Refused> {
        let _ = now;
        Ok(login.clone())
    }
}

/// The login state of one connection.
pub struct Session {
    id: String,
    login: Option<Mutex<Standing>>,
    /// The events this connection wants; they end with it.
    pub subscriptions: Subscriptions,
    /// Counts what [`super::guard`] lets pass for free.
    pub(super) pings: Bucket,
}

/// A login and what was last heard of it.
struct Standing {
    login: Arc<Login>,
    judge: Arc<dyn Verify>,
    generation: u64,
    /// Why it counts no more.
    fallen: Option<Box<Refused>>,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("id", &self.id)
            .field("logged_in", &self.login.is_some())
            .finish()
    }
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
        }
    }

    /// The session's id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Who is logged in now, with the rights they have now. The end of a token takes the rights at
    /// once, its revocation and a changed role as soon as this service knows of them.
    ///
    /// # Errors
    /// -32001 with `not_authenticated`, `token_expired`, `token_revoked`, `key_revoked` or another word of the judge.
    pub fn login(&self, now: Wall) -> Result<Arc<Login>, Fault> {
        let Some(standing) = &self.login else {
            return Err(Fault::auth(
                "not_authenticated",
                "nobody has logged in on this connection",
            ));
        };
        let mut standing = standing.lock().unwrap_or_else(PoisonError::into_inner);
        standing.look(now);
        match &standing.fallen {
            Some(refused) => Err(Fault::auth(&refused.reason, refused.details.as_str())),
            None => in_time(&standing.login, now).map(|()| Arc::clone(&standing.login)),
        }
    }

    /// Takes a token that `judge` has judged: a good one replaces the present login, a bad one changes nothing.
    ///
    /// `generation` is the judge's from before it judged, so that nothing that came meanwhile is missed.
    ///
    /// # Errors
    /// -32001 with the judge's reason.
    pub fn log_in(
        &mut self,
        judge: &Arc<dyn Verify>,
        generation: u64,
        judged: Result<Login, Refused>,
        now: Wall,
    ) -> Result<Arc<Login>, Fault> {
        let login = judged.map_err(|r| Fault::auth(&r.reason, r.details))?;
        in_time(&login, now)?;
        let login = Arc::new(login);
        self.login = Some(Mutex::new(Standing {
            login: Arc::clone(&login),
            judge: Arc::clone(judge),
            generation,
            fallen: None,
        }));
        Ok(login)
    }
}

impl Standing {
    /// Asks the judge again if anything may have changed since it was last asked.
    fn look(&mut self, now: Wall) {
        let generation = self.judge.generation();
        if generation == self.generation {
            return;
        }
        self.generation = generation;
        self.fallen = match self.judge.again(&self.login, now) {
            Ok(login) => {
                if *self.login != login {
                    self.login = Arc::new(login);
                }
                None
            }
            Err(refused) => Some(Box::new(refused)),
        };
    }
}

fn in_time(login: &Login, now: Wall) -> Result<(), Fault> {
    if login.expires_at > now {
        return Ok(());
    }
    Err(Fault::auth(
        "token_expired",
        format!(
            "the {} ended at {}",
            match login.credential {
                crate::access::Credential::Token(_) => "token",
                crate::access::Credential::ApiKey(_) => "API key",
            },
            login.expires_at.rfc3339()
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Role;
    use std::sync::atomic::{AtomicU64, Ordering};

    fn login(role: Role, until: u64) -> Login {
        Login::plain("ada", role, Wall::from_secs(until))
    }

    fn refused(reason: &str) -> Refused {
        Refused {
            reason: reason.to_owned(),
            details: "so it is".to_owned(),
        }
    }

    /// Says about everybody what it was last told to say, and counts how often it is asked.
    #[derive(Default)]
    struct Word {
        generation: AtomicU64,
        asked: AtomicU64,
        now: Mutex<Option<Result<Login, Refused>>>,
    }

    impl Word {
        fn say(&self, said: Result<Login, Refused>) {
            *self.now.lock().unwrap() = Some(said);
            self.generation.fetch_add(1, Ordering::Relaxed);
        }
    }

    impl Verify for Word {
        fn verify(&self, _: &str, _: Wall) -> Result<Login, Refused> {
            unreachable!("the tests hand over what was judged")
        }
        fn generation(&self) -> u64 {
            self.generation.load(Ordering::Relaxed)
        }
        fn again(&self, login: &Login, _: Wall) -> Result<Login, Refused> {
            self.asked.fetch_add(1, Ordering::Relaxed);
            let said = self.now.lock().unwrap().clone();
            said.unwrap_or_else(|| Ok(login.clone()))
        }
    }

    fn on(word: &Arc<Word>) -> Arc<dyn Verify> {
        Arc::clone(word) as Arc<dyn Verify>
    }

    #[test]
    fn rights_end_with_the_token_and_come_back_with_a_new_one() {
        let mut session = Session::new("s".to_owned());
        let judge = on(&Arc::default());
        let at = Wall::from_secs;
        assert_eq!(
            session.login(at(1)).unwrap_err().reason(),
            "not_authenticated"
        );
        session
            .log_in(&judge, 0, Ok(login(Role::Viewer, 10)), at(1))
            .unwrap();
        assert_eq!(session.login(at(9)).unwrap().role, Role::Viewer);
        assert_eq!(session.login(at(10)).unwrap_err().reason(), "token_expired");
        session
            .log_in(&judge, 0, Ok(login(Role::Admin, 30)), at(11))
            .unwrap();
        assert_eq!(session.login(at(12)).unwrap().role, Role::Admin);
    }

    #[test]
    fn a_refused_token_leaves_the_present_rights() {
        let mut session = Session::new("s".to_owned());
        let judge = on(&Arc::default());
        let now = Wall::from_secs(1);
        session
            .log_in(&judge, 0, Ok(login(Role::Operator, 10)), now)
            .unwrap();
        let fault = session
            .log_in(&judge, 0, Err(refused("token_invalid")), now)
            .unwrap_err();
        assert_eq!(fault.reason(), "token_invalid");
        session
            .log_in(&judge, 0, Ok(login(Role::Admin, 1)), now)
            .unwrap_err();
        assert_eq!(session.login(now).unwrap().role, Role::Operator);
    }

    #[test]
    fn a_live_login_is_judged_again_when_rights_have_moved_and_only_then() {
        let mut session = Session::new("s".to_owned());
        let (word, now) = (Arc::new(Word::default()), Wall::from_secs(1));
        session
            .log_in(&on(&word), 0, Ok(login(Role::Admin, 10)), now)
            .unwrap();
        for _ in 0..3 {
            session.login(now).unwrap();
        }
        assert_eq!(word.asked.load(Ordering::Relaxed), 0);
        word.say(Ok(login(Role::Viewer, 10)));
        assert_eq!(session.login(now).unwrap().role, Role::Viewer);
        word.say(Err(refused("key_revoked")));
        for _ in 0..3 {
            assert_eq!(session.login(now).unwrap_err().reason(), "key_revoked");
        }
        assert_eq!(word.asked.load(Ordering::Relaxed), 2);
        word.say(Ok(login(Role::Viewer, 10)));
        assert!(session.login(now).is_ok());
    }

    #[test]
    fn what_moves_while_a_token_is_judged_is_not_missed() {
        let mut session = Session::new("s".to_owned());
        let (word, now) = (Arc::new(Word::default()), Wall::from_secs(1));
        word.say(Err(refused("token_revoked")));
        session
            .log_in(&on(&word), 0, Ok(login(Role::Admin, 10)), now)
            .unwrap();
        assert_eq!(session.login(now).unwrap_err().reason(), "token_revoked");
    }
}
