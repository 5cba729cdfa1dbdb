//! Does a server keep the contract? A stranger's suite: it knows the wire and nothing else.
//!
//! Without further ado it starts a whole service of its own (test camera, real MediaMTX). With
//! `CONFORMANCE_URL=ws://host:8002/ws` and `CONFORMANCE_TOKENS_VIEWER`, `…_OPERATOR`, `…_ADMIN` it
//! tries that server instead. `docs/conformance.md` tells more.
#![allow(clippy::unwrap_used, clippy::panic)]

mod cases;
mod contract;
mod envelope;
mod http;
mod lives;
mod matrix;
mod report;
mod session;
mod shape;
mod stage;
mod trouble;
mod wire;
mod world;

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use contract::{KNOWN, METHODS, NOT_YET};
use report::Report;
use stage::{NO_LIMITS, Stage, alone, in_turn, is_foreign};
use world::World;

type Work<'a> = Pin<Box<dyn Future<Output = Report> + 'a>>;

fn wait_for<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(work)
}

/// Prints what a scenario found and fails if anything did not hold that is not known.
fn conclude(name: &str, mut report: Report, stage: &Stage) {
    let known: Vec<_> = KNOWN
        .iter()
        .filter(|(scenario, _)| *scenario == name && !is_foreign())
        .collect();
    for (_, words) in &known {
        let (gone, rest): (Vec<String>, Vec<String>) = std::mem::take(&mut report.failures)
            .into_iter()
            .partition(|line| line.contains(words));
        report.failures = rest;
        if gone.is_empty() && report.not_offered == 0 {
            report.failures.push(format!(
                "{words:?} no longer fails: strike it off KNOWN in tests/conformance/contract.rs"
            ));
        }
        report.known.extend(gone);
    }
    println!("{}", report.text(name));
    let log = stage.log();
    assert!(
        !log.contains("panicked at"),
        "{name}: something panicked\n{log}"
    );
    assert!(
        report.failures.is_empty(),
        "{name}: {} expectations did not hold; the lines above name them",
        report.failures.len()
    );
}

/// A scenario on the server that all of them share.
fn scenario(name: &str, run: impl for<'a> FnOnce(&'a mut World) -> Work<'a>) {
    in_turn(|stage| {
        let report = wait_for(async {
            let mut world = World::new(stage).await;
            run(&mut world).await
        });
        conclude(name, report, stage);
    });
}

/// A scenario on services of our own, one after the other on the same state.
fn own(name: &str, settings: &[(&str, &str)], acts: &[for<'a> fn(&'a Arc<Stage>) -> Work<'a>]) {
    if is_foreign() {
        println!("{name}: left out, it needs a service of its own");
        return;
    }
    alone(|| {
        let folder = trouble::Folder::new();
        for (i, act) in acts.iter().enumerate() {
            let stage = Arc::new(Stage::start(settings, Some(&folder.0)));
            let report = wait_for(act(&stage));
            conclude(&format!("{name}, part {}", i + 1), report, &stage);
        }
    });
}

#[test]
fn the_34_methods_are_offered_but_for_those_listed_as_missing() {
    let names: BTreeSet<&str> = METHODS.iter().map(|m| m.name).collect();
    assert_eq!(names.len(), 34, "the table names each method once");
    assert!(
        NOT_YET.iter().all(|m| names.contains(m)),
        "NOT_YET names a method of the contract"
    );
    scenario("methods", |world| {
        Box::pin(async {
            let mut report = Report::default();
            for method in METHODS {
                let offered = world.offers(&[method.name]);
                // The list is about our own service; a foreign one must offer all.
                let awaited = NOT_YET.contains(&method.name) && !is_foreign();
                report.expect(offered != awaited, || {
                    if offered {
                        format!(
                            "{} is offered: strike it off NOT_YET in tests/conformance/contract.rs",
                            method.name
                        )
                    } else {
                        format!(
                            "{} role={} is not offered: the contract has it (§4)",
                            method.name,
                            method.role.word()
                        )
                    }
                });
                report.not_offered += usize::from(!offered);
            }
            report
        })
    });
}

#[test]
fn what_a_server_says_of_itself_is_what_the_contract_says() {
    scenario("rpc.discover", |world| {
        Box::pin(async {
            let mut report = Report::default();
            let reply = world
                .wire(contract::Role::Stranger)
                .ask("rpc.discover", None)
                .await;
            let Ok(document) = reply.map(|a| a.result().clone()) else {
                return report;
            };
            if document.is_null() {
                // Only our own additions demand it (§20.26).
                report
                    .left_out
                    .push("rpc.discover: this server does not have it".to_owned());
                return report;
            }
            let empty = Vec::new();
            let told = document["methods"].as_array().unwrap_or(&empty);
            for method in METHODS.iter().filter(|m| world.offers(&[m.name])) {
                let row = told.iter().find(|t| t["name"] == method.name);
                let Some(row) = row else {
                    report.failures.push(format!(
                        "rpc.discover case={}: it is not listed",
                        method.name
                    ));
                    continue;
                };
                let role = row["x-minimum-role"].as_str().unwrap_or("none");
                report.expect(role == method.role.word(), || {
                    format!(
                        "rpc.discover case={}: minimum role {role}, the contract says {} (§4)",
                        method.name,
                        method.role.word()
                    )
                });
                for param in method.params {
                    let listed = row["params"].as_array().is_some_and(|p| {
                        p.iter().any(|p| {
                            p["name"] == param.name
                                // Either of two names is required, so neither is by itself (§20.1).
                                && (p["required"] == param.required || method.name == "authenticate")
                        })
                    });
                    report.expect(listed, || {
                        format!(
                            "rpc.discover case={}: the parameter {} is missing or not required={}",
                            method.name, param.name, param.required
                        )
                    });
                }
            }
            report
        })
    });
}

#[test]
fn every_method_holds_for_every_role_and_every_kind_of_parameter() {
    scenario("methods × roles × parameters", |world| {
        Box::pin(matrix::run(world))
    });
}

#[test]
fn json_rpc_itself_holds_for_every_id_envelope_text_and_frame() {
    scenario("envelope", |world| Box::pin(envelope::run(world)));
}

#[test]
fn each_error_code_a_client_can_provoke_is_provoked() {
    scenario("codes", |world| Box::pin(envelope::codes(world)));
}

#[test]
fn rights_come_with_a_login_end_with_its_token_and_stay_with_the_connection() {
    scenario("sessions", |world| Box::pin(session::sessions(world)));
}

#[test]
fn a_slow_request_delays_no_ping_and_many_at_once_are_all_answered() {
    scenario("concurrency", |world| Box::pin(session::concurrency(world)));
}

#[test]
fn a_camera_is_the_same_in_every_answer_and_its_figures_are_true() {
    scenario("cameras", |world| Box::pin(lives::cameras(world)));
}

#[test]
fn a_recording_has_one_name_true_figures_and_a_file_that_can_be_fetched() {
    scenario("recordings", |world| Box::pin(lives::recordings(world)));
}

#[test]
fn a_timed_recording_ends_by_itself_and_says_so() {
    scenario("a timed recording", |world| {
        Box::pin(lives::timed_recording(world))
    });
}

#[test]
fn the_format_asked_for_is_the_format_delivered() {
    scenario("formats", |world| Box::pin(lives::formats(world)));
}

#[test]
fn a_snapshot_is_a_picture_under_the_name_asked_for() {
    scenario("snapshots", |world| Box::pin(lives::snapshots(world)));
}

#[test]
fn starting_and_stopping_a_stream_tells_the_truth() {
    scenario("streams", |world| Box::pin(lives::streams(world)));
}

#[test]
fn an_external_stream_is_a_path_like_any_other_and_keeps_its_password() {
    scenario("external streams", |world| Box::pin(lives::external(world)));
}

#[test]
fn an_external_stream_is_snapshot_and_recorded_by_its_name() {
    scenario("external pictures", |world| {
        Box::pin(lives::external_picture(world))
    });
}

#[test]
fn events_reach_those_who_asked_and_nobody_else() {
    scenario("events", |world| Box::pin(lives::events(world)));
}

#[test]
fn figures_of_storage_and_system_are_true() {
    scenario("system", |world| Box::pin(lives::system(world)));
}

#[test]
fn a_limit_is_told_counts_once_and_is_not_forgotten_on_reconnect() {
    own("limits", &[], &[|stage| Box::pin(trouble::limits(stage))]);
}

#[test]
fn with_mediamtx_hanging_what_needs_it_says_so_and_the_rest_goes_on() {
    own(
        "without MediaMTX",
        NO_LIMITS,
        &[|stage| Box::pin(trouble::without_mediamtx(stage))],
    );
}

#[test]
fn what_was_set_is_still_set_after_a_restart() {
    own(
        "restart",
        NO_LIMITS,
        &[
            |stage| Box::pin(trouble::before_restart(stage)),
            |stage| Box::pin(trouble::after_restart(stage)),
        ],
    );
}

#[test]
fn a_full_disk_warns_and_keeps_new_recordings_out() {
    let full = [
        ("storage.warn_percent", "1"),
        ("storage.block_percent", "2"),
    ];
    let settings = [NO_LIMITS, &full].concat();
    own(
        "a full disk",
        &settings,
        &[|stage| Box::pin(trouble::full(stage))],
    );
}
