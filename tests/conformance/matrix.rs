//! Every method × every role × every kind of parameter.

use crate::cases::cases;
use crate::contract::{Good, METHODS, Method, Role};
use crate::report::{Report, Wanted};
use crate::stage::is_foreign;
use crate::wire::Reply;
use crate::world::{Lack, Names, World, fill};

/// What somebody with too low a role is told, whatever the parameters are (§20.14).
fn refused(method: &Method, role: Role) -> Option<Wanted> {
    match role {
        role if role >= method.role => None,
        Role::Stranger => Some(Wanted::code(-32001)),
        _ => Some(Wanted::code(-32002)),
    }
}

pub(crate) async fn run(world: &mut World) -> Report {
    let mut report = Report::default();
    for method in METHODS {
        let made_up = Names::from([
            ("$camera", world.camera.clone()),
            ("$n", "0".to_owned()),
            ("$token", "conformance".to_owned()),
            ("$recording", "conformance-not-there".to_owned()),
            ("$snapshot", "conformance-not-there".to_owned()),
            ("$stream_url", "rtsp://192.0.2.1:554/conformance".to_owned()),
            ("$stream_name", "conformance-not-added".to_owned()),
        ]);
        let all = cases(method, &made_up);
        if !world.offers(&[method.name]) {
            report.not_offered += Role::ALL.len() * (all.len() + method.good.len());
            continue;
        }
        for role in Role::ALL {
            // A stranger is shut out after a while: each method gets a new one.
            if role == Role::Stranger {
                world.end(role).await;
            }
            let wall = refused(method, role);
            for case in &all {
                let wanted = match &wall {
                    Some(wall) if !case.envelope => wall,
                    _ => &case.wanted,
                };
                let label = label(method, role, &case.what);
                let reply = world
                    .wire(role)
                    .ask(method.name, case.params.as_deref())
                    .await;
                report.judge(&label, Some(method), wanted, &reply);
                roles_named(&mut report, &label, method, role, &reply);
            }
            for good in method.good {
                let label = label(method, role, &format!("good {}", good.params));
                match &wall {
                    Some(wall) => {
                        let params = fill(good.params, &made_up);
                        let reply = world.wire(role).ask(method.name, Some(&params)).await;
                        report.judge(&label, Some(method), wall, &reply);
                        roles_named(&mut report, &label, method, role, &reply);
                    }
                    None => good_call(world, &mut report, method, role, good, &label).await,
                }
            }
        }
        // Logins of the table leave rights behind; the next method starts with its own.
        if method.name == "authenticate" {
            for role in Role::ALL {
                world.end(role).await;
            }
        }
    }
    report
}

fn label(method: &Method, role: Role, what: &str) -> String {
    format!("{} role={} case={}", method.name, role.word(), what)
}

/// -32002 names both roles (§7).
fn roles_named(report: &mut Report, label: &str, method: &Method, role: Role, reply: &Reply) {
    let Ok(answer) = reply else { return };
    if answer.code() == Some(-32002) {
        let data = answer.data();
        report.expect(
            data["required_role"] == method.role.word() && data["have_role"] == role.word(),
            || {
                format!(
                    "{label}: data names {} and {}",
                    data["required_role"], data["have_role"]
                )
            },
        );
    }
}

async fn good_call(
    world: &mut World,
    report: &mut Report,
    method: &Method,
    role: Role,
    good: &Good,
    label: &str,
) {
    if good.invasive && is_foreign() && std::env::var_os("CONFORMANCE_INVASIVE").is_none() {
        report.left_out.push(format!(
            "{label}: set CONFORMANCE_INVASIVE=1 to try it on this server"
        ));
        return;
    }
    let mut names = match world.prepare(good.fixture).await {
        Ok(names) => names,
        Err(Lack::NotOffered) => {
            report.not_offered += 1;
            return;
        }
        Err(Lack::Failed(why)) => {
            report.expect(false, || {
                format!("{label}: what it needs could not be made: {why}")
            });
            return;
        }
    };
    // A stranger logs in as viewer, the others renew what they are.
    let token = role.max(Role::Viewer);
    names.insert(
        "$token",
        world.stage.server.token(token).unwrap_or("").to_owned(),
    );
    let mut wanted = Wanted::success();
    wanted.codes.extend(good.or);
    let params = fill(good.params, &names);
    let mut forms = vec![Some(params.as_str())];
    if method.params.is_empty() && !good.invasive {
        // Absent, null, empty list and empty object are the same (§20.15).
        forms.extend([None, Some("null"), Some("[]")]);
    }
    for form in forms {
        let reply = world.wire(role).ask(method.name, form).await;
        report.judge(label, Some(method), &wanted, &reply);
        let Ok(answer) = reply else { continue };
        if method.name == "authenticate" && answer.is_success() {
            let result = answer.result();
            report.expect(
                result["authenticated"] == true
                    && result["role"] == token.word()
                    && result["permissions"] == serde_json::json!(token.permissions()),
                || format!("{label}: {result} is not what a {} gets (§2)", token.word()),
            );
        }
        if answer.is_success() {
            echoes(report, label, &params, answer.result());
            world.restore(method.name, &answer).await;
        }
    }
}

/// What was asked for comes back under the same name (§5).
fn echoes(report: &mut Report, label: &str, params: &str, result: &serde_json::Value) {
    let Ok(params) = serde_json::from_str::<serde_json::Value>(params) else {
        return;
    };
    for name in [
        "device",
        "topics",
        "filters",
        "policy_type",
        "enabled",
        "max_age_days",
        "max_size_gb",
        "scan_interval",
        "stream_name",
        "stream_type",
        "stream_url",
        "limit",
        "offset",
    ] {
        let (Some(asked), Some(came)) = (params.get(name), result.get(name)) else {
            continue;
        };
        if name == "topics" && result.get("subscribed").is_none() {
            continue; // what was removed, which may be less than was asked
        }
        let same = match (asked.as_f64(), came.as_f64()) {
            (Some(a), Some(b)) => (a - b).abs() < f64::EPSILON,
            // The set of topics is a set.
            _ if name == "topics" => {
                let count = asked.as_array().map_or(0, Vec::len);
                asked.as_array().into_iter().flatten().all(|t| {
                    came.as_array()
                        .is_some_and(|c| c.contains(t) || c.len() >= count)
                })
            }
            _ => asked == came,
        };
        report.expect(same, || {
            format!("{label}: {name} was {asked} and came back as {came}")
        });
    }
}
