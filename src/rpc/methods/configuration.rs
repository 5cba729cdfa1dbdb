//! `get_configuration`, `reload_configuration`: what holds, what waits, and reading it anew.

use serde_json::{Map, Value, json};

use crate::access::Role;
use crate::config::change::needs_restart;
use crate::config::live::{Configuration, Refusal, Reloaded, is_secret};
use crate::config::load::Mistake;
use crate::error::Result;
use crate::rpc::error::{Code, Fault};
use crate::rpc::io::later;
use crate::rpc::table::{Answer, Method, Outcome};

/// `get_configuration`.
pub const GET: Method = Method {
    name: "get_configuration",
    role: Some(Role::Admin),
    params: &[],
    result: "Configuration",
    errors: &[],
    doc: "Tells what holds of the configuration now (secrets left out), which keys wait for a restart of the service, when it was read, and why the last reading was refused, if it was.",
    handler: |_, call| Outcome::Now(Ok(shown(&*call.desk.configuration))),
};

/// `reload_configuration`.
///
/// A file with mistakes is -32050 and not -32602: the call has no parameter that could be wrong, and the same call
/// succeeds once the file, on which it depends, was repaired.
pub const RELOAD: Method = Method {
    name: "reload_configuration",
    role: Some(Role::Admin),
    params: &[],
    result: "ConfigurationReload",
    errors: &[Code::DependencyFailed],
    doc: "Reads the configuration anew and acts on what changed, as SIGHUP does. With mistakes in it, all of them are told and nothing changes.",
    handler: |_, call| later(call.desk.configuration.reload(), reloaded),
};

fn shown(configuration: &dyn Configuration) -> Value {
    let live = configuration.live();
    let keys = live.keys();
    let waiting: Vec<Value> = keys
        .iter()
        .filter_map(|held| {
            let after = held.after_restart.as_ref()?;
            Some(json!({ "key": held.key, "now": held.now, "after_restart": after }))
        })
        .collect();
    let keys: Vec<Value> = keys
        .iter()
        .filter(|held| !is_secret(held.key))
        .map(|held| json!({ "key": held.key, "value": held.now, "live": !needs_restart(held.key) }))
        .collect();
    json!({
        "file": configuration.file(),
        "read_at": live.read_at().rfc3339(),
        "keys": keys,
        "waiting": waiting,
        "refused": live.refused().map(refusal),
    })
}

fn refusal(refused: &Refusal) -> Value {
    let mistakes = refused.mistakes.iter();
    let mistakes = mistakes.map(|Mistake { place, what }| json!({ "place": place, "what": what }));
    json!({ "at": refused.at.rfc3339(), "mistakes": mistakes.collect::<Vec<_>>() })
}

fn reloaded(came: Result<Reloaded>) -> Answer {
    match came {
        Ok(Reloaded::Taken {
            applied,
            waiting,
            troubles,
        }) => {
            let mut answer = Map::new();
            answer.insert("applied".to_owned(), applied.into());
            answer.insert("waiting".to_owned(), waiting.into());
            answer.insert("troubles".to_owned(), troubles.into());
            Ok(answer.into())
        }
        Ok(Reloaded::Refused(refused)) => {
            let mistakes: Vec<String> = refused.mistakes.iter().map(ToString::to_string).collect();
            Err(Fault::dependency(
                "configuration",
                mistakes.join("; "),
                "mend the file, then call again; what held before still holds",
            ))
        }
        Err(error) => Err(Fault::dependency(
            "configuration",
            error.to_string(),
            "call again; see the service's log if it stays",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Wall;
    use crate::config::Config;
    use crate::config::live::Live;
    use crate::error::Later;
    use crate::rpc::schema::tests::departure;

    struct Fixed(Live);

    impl Configuration for Fixed {
        fn file(&self) -> Option<String> {
            Some("/etc/box.yaml".to_owned())
        }

        fn live(&self) -> Live {
            self.0.clone()
        }

        fn reload(&self) -> Later<Reloaded> {
            Box::pin(std::future::pending())
        }
    }

    fn mistake() -> Mistake {
        Mistake {
            place: "box.yaml line 3".to_owned(),
            what: "no such key".to_owned(),
        }
    }

    #[test]
    fn an_admin_sees_values_what_waits_and_why_a_reading_was_refused() {
        let mut live = Live::new(Config::default(), Wall::from_secs(1));
        let mut new = Config::default();
        new.server.port = 9000;
        live.accept(new, Wall::from_secs(2));
        live.refuse(vec![mistake()], Wall::from_secs(3));
        let answer = shown(&Fixed(live));
        assert_eq!(departure("Configuration", &answer), None);
        assert_eq!(
            answer["waiting"],
            json!([{ "key": "server.port", "now": 8002, "after_restart": 9000 }])
        );
        assert_eq!(answer["refused"]["mistakes"][0]["place"], "box.yaml line 3");
        let key = |name: &str| {
            let keys = answer["keys"].as_array().unwrap().iter();
            keys.clone().find(|k| k["key"] == name).unwrap().clone()
        };
        assert_eq!(key("server.port")["value"], 8002);
        assert_eq!(key("camera.bitrate")["live"], true);
    }

    #[test]
    fn a_reload_tells_what_acts_or_every_mistake() {
        let taken = Reloaded::Taken {
            applied: vec!["camera.bitrate"],
            waiting: vec![],
            troubles: vec![],
        };
        let answer = reloaded(Ok(taken)).unwrap();
        assert_eq!(departure("ConfigurationReload", &answer), None);
        let refused = Reloaded::Refused(Refusal {
            at: Wall::from_secs(3),
            mistakes: vec![mistake(), mistake()],
        });
        let error = reloaded(Ok(refused)).unwrap_err().to_json("1");
        assert_eq!(error["code"], -32050);
        assert_eq!(error["data"]["dependency"], "configuration");
        let detail = error["data"]["detail"].as_str().unwrap();
        assert_eq!(detail.matches("line 3").count(), 2);
    }
}
