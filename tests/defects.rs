//! What was wrong with the predecessor, and the test that proves each of it absent here.
//!
//! `docs/defects.md` is this table as a page; `UPDATE_DEFECTS=1 cargo test --test defects` writes it.
#![allow(clippy::unwrap_used)]

#[path = "support/proof.rs"]
mod proof;

use std::fmt::Write as _;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use camera_service::clock;
use proof::{root, stands};

/// One defect, in a sentence, and the tests that would fail if we had it: `file::name`.
struct Defect(&'static str, &'static [&'static str]);

const DEFECTS: &[Defect] = &[
    Defect(
        "Events were counted and logged; none was ever sent to a client.",
        &[
            "tests/conformance/main.rs::events_reach_those_who_asked_and_nobody_else",
            "tests/control.rs::a_camera_change_reaches_everyone_logged_in_and_no_stranger",
            "tests/events.rs::topics_go_to_those_who_subscribed_and_named_notifications_to_all_who_logged_in",
        ],
    ),
    Defect(
        "A recording with a duration never ended: the number was read as a type that JSON does not have.",
        &["tests/conformance/main.rs::a_timed_recording_ends_by_itself_and_says_so"],
    ),
    Defect(
        "Whatever format was asked for, the recorder's own came out.",
        &["tests/conformance/main.rs::the_format_asked_for_is_the_format_delivered"],
    ),
    Defect(
        "The addresses for downloads were answered with 404.",
        &[
            "tests/conformance/main.rs::a_recording_has_one_name_true_figures_and_a_file_that_can_be_fetched",
            "tests/conformance/main.rs::a_snapshot_is_a_picture_under_the_name_asked_for",
        ],
    ),
    Defect(
        "The list of recordings was made up: names of no file, sizes and durations of zero, a total of something else.",
        &[
            "tests/conformance/main.rs::a_recording_has_one_name_true_figures_and_a_file_that_can_be_fetched",
        ],
    ),
    Defect(
        "A recording was not found under its own name, because nobody looked into its camera's folder.",
        &[
            "tests/conformance/main.rs::a_recording_has_one_name_true_figures_and_a_file_that_can_be_fetched",
        ],
    ),
    Defect(
        "Stopping answered with invented figures, succeeded for what never ran, and took the stream from other viewers.",
        &[
            "tests/conformance/main.rs::a_recording_has_one_name_true_figures_and_a_file_that_can_be_fetched",
            "tests/conformance/main.rs::starting_and_stopping_a_stream_tells_the_truth",
        ],
    ),
    Defect(
        "Retention was forgotten at a restart, never ran by itself, did not reach the files, and took half a gigabyte for none.",
        &[
            "tests/conformance/main.rs::what_was_set_is_still_set_after_a_restart",
            "src/storage/io.rs::a_policy_outlives_the_service_and_spares_what_runs",
        ],
    ),
    Defect(
        "A disk that filled up warned nobody and stopped nothing; the sizes shown were zero.",
        &[
            "tests/conformance/main.rs::a_full_disk_warns_and_keeps_new_recordings_out",
            "tests/conformance/main.rs::figures_of_storage_and_system_are_true",
            "src/storage/io.rs::a_full_medium_lets_no_recording_begin",
        ],
    ),
    Defect(
        "An external stream was a line in a list: not to be watched, gone after a restart; a scan kept its caller waiting, address by address.",
        &[
            "tests/conformance/main.rs::an_external_stream_is_a_path_like_any_other_and_keeps_its_password",
            "tests/conformance/main.rs::an_external_stream_is_snapshot_and_recorded_by_its_name",
            "tests/conformance/main.rs::what_was_set_is_still_set_after_a_restart",
            "tests/external.rs::a_stream_is_found_added_watched_and_survives_restarts",
            "src/external/io.rs::a_scan_ends_with_its_budget_whoever_keeps_silent",
        ],
    ),
    Defect(
        "Recordings often left no file: MediaMTX had refused the path, and the refusal was taken for success.",
        &[
            "tests/conformance/main.rs::a_recording_has_one_name_true_figures_and_a_file_that_can_be_fetched",
            "tests/conformance/main.rs::with_mediamtx_hanging_what_needs_it_says_so_and_the_rest_goes_on",
        ],
    ),
    Defect(
        "The picture was coded in a way that browsers cannot show, and links led to localhost.",
        &[
            "web/e2e/live.test.mjs::the link shows a live picture",
            "tests/demo/main.rs::a_foreign_reader_decodes_every_frame_of_the_test_camera_in_order",
            "tests/conformance/main.rs::a_camera_is_the_same_in_every_answer_and_its_figures_are_true",
            "src/rpc/links.rs::links_use_the_name_the_client_used",
        ],
    ),
    Defect(
        "A camera's status had no links and no figures, always 30 frames a second, and any size but the present one.",
        &[
            "tests/conformance/main.rs::a_camera_is_the_same_in_every_answer_and_its_figures_are_true",
            "tests/demo/live.rs::size_rate_and_bit_rate_change_under_a_viewer_who_stays",
        ],
    ),
    Defect(
        "A snapshot's name was ignored, and the options of one call changed those of all.",
        &["tests/conformance/main.rs::a_snapshot_is_a_picture_under_the_name_asked_for"],
    ),
    Defect(
        "The system never called itself ready.",
        &["tests/conformance/main.rs::figures_of_storage_and_system_are_true"],
    ),
    Defect(
        "Nobody could log in to the web client; it had no style, forgot the login, and took the browser's shortcuts.",
        &[
            "web/e2e/live.test.mjs::the link shows a live picture",
            "web/e2e/live.test.mjs::a wrong token leads to the form, with a sentence",
            "web/test/link.test.ts::signs in with the token, and is ready",
        ],
    ),
    Defect(
        "A name with ../ deleted any file that the service could write.",
        &[
            "tests/conformance/main.rs::every_method_holds_for_every_role_and_every_kind_of_parameter",
            "tests/conformance/main.rs::a_recording_has_one_name_true_figures_and_a_file_that_can_be_fetched",
            "src/http/route.rs::no_path_steps_out_of_its_folder",
        ],
    ),
    Defect(
        "A token's end was looked at once, at the login; nothing could be taken back.",
        &[
            "tests/conformance/main.rs::rights_come_with_a_login_end_with_its_token_and_stay_with_the_connection",
            "src/rpc/dispatch/tests.rs::an_expired_token_ends_a_live_session_at_the_next_call",
            "tests/credentials.rs::a_revoked_token_and_a_changed_role_act_on_live_connections",
        ],
    ),
    Defect(
        "A default secret was delivered with the product; keys were kept in plain text and accepted nowhere.",
        &[
            "tests/access.rs::the_secret_is_made_once_private_and_found_again",
            "tests/credentials.rs::a_key_of_the_command_line_opens_a_running_service_until_it_is_revoked",
            "src/access/store/tests.rs::a_key_opens_until_it_ends_and_its_text_is_nowhere_in_the_document",
        ],
    ),
    Defect(
        "Each call was charged twice, a reconnect began a new account, old accounts were kept for ever, and a stranger could stay.",
        &[
            "tests/conformance/main.rs::a_limit_is_told_counts_once_and_is_not_forgotten_on_reconnect",
            "tests/hostile_clients.rs::a_stranger_who_never_logs_in_is_closed_with_1008",
            "src/access/limits/bucket.rs::no_pattern_of_asking_gets_more_than_burst_and_rate",
        ],
    ),
    Defect(
        "There was no TLS; the proxy that the installer set up led to a port where nobody listened.",
        &[
            "tests/tls.rs::one_port_carries_everything_over_tls_with_links_that_stay_there",
            "tests/tls.rs::the_first_start_makes_a_certificate_and_later_ones_keep_it",
        ],
    ),
    Defect(
        "Wrong parameters were called internal errors, kinds of errors were told by words in their sentences, and broken JSON had no code.",
        &[
            "tests/conformance/main.rs::every_method_holds_for_every_role_and_every_kind_of_parameter",
            "tests/conformance/main.rs::json_rpc_itself_holds_for_every_id_envelope_text_and_frame",
            "tests/conformance/main.rs::each_error_code_a_client_can_provoke_is_provoked",
        ],
    ),
    Defect(
        "Who said nothing for ten seconds was cut off without a word.",
        &["tests/control.rs::an_idle_socket_lives_as_long_as_it_answers_pings"],
    ),
    Defect(
        "The port opened only after half a minute where no camera and no media server were ready.",
        &[
            "tests/defects.rs::with_no_camera_and_no_media_server_the_ports_answer_at_once_and_a_stop_is_heard",
        ],
    ),
    Defect(
        "With health switched on, the service did not hear that it should stop; with the delivered file, health was never on.",
        &[
            "tests/defects.rs::with_no_camera_and_no_media_server_the_ports_answer_at_once_and_a_stop_is_heard",
            "tests/demo/main.rs::ctrl_c_ends_everything_and_leaves_nothing_behind",
        ],
    ),
    Defect(
        "Health was a constant: good, whatever had failed.",
        &[
            "tests/demo/main.rs::health_tells_within_two_seconds_that_mediamtx_hangs",
            "tests/health.rs::a_picture_that_freezes_is_unhealthy_at_the_next_question",
            "tests/health.rs::mediamtx_away_ends_readiness_but_not_life",
        ],
    ),
    Defect(
        "The configuration was looked for in one folder only, no option named another, and the log's file stayed empty.",
        &[
            "tests/demo/main.rs::a_wrong_configuration_is_refused_with_every_mistake",
            "src/config/load.rs::the_environment_wins_over_the_file_and_unknown_variables_are_refused",
            "tests/reload.rs::the_log_files_stay_bounded_and_every_line_is_whole",
        ],
    ),
    Defect(
        "Every call left something in memory, counters of subscribers only rose, and answers and news could mix in one socket.",
        &[
            "tests/conformance/main.rs::events_reach_those_who_asked_and_nobody_else",
            "tests/hostile_clients.rs::an_idle_socket_costs_little_memory",
            "tests/steady_state.rs::latencies_are_counted_without_one_allocation_even_when_the_halves_take_turns",
        ],
    ),
    Defect(
        "Asking for figures took a second, and those of recordings were empty.",
        &[
            "tests/conformance/main.rs::a_slow_request_delays_no_ping_and_many_at_once_are_all_answered",
        ],
    ),
    Defect(
        "Each recording cost an ffmpeg, cameras were read from another program's text, and test helpers were part of the product.",
        &[
            "tests/conformance/main.rs::a_recording_has_one_name_true_figures_and_a_file_that_can_be_fetched",
            "tests/defects.rs::the_product_starts_no_program_but_mediamtx",
        ],
    ),
    Defect(
        "The calls of one connection waited for each other: a slow snapshot held up a ping.",
        &[
            "tests/conformance/main.rs::a_slow_request_delays_no_ping_and_many_at_once_are_all_answered",
            "tests/control.rs::a_slow_method_delays_no_ping_and_too_many_hold_back_reading",
        ],
    ),
    Defect(
        "It was declared ready while half of its tests failed and most methods had none.",
        &[
            "tests/conformance/main.rs::the_34_methods_are_offered_but_for_those_listed_as_missing",
            "tests/defects.rs::no_test_is_switched_off_without_a_reason",
            "tests/defects.rs::each_defect_has_a_test_that_is_there",
        ],
    ),
    Defect(
        "Documents promised what nobody had built, and named files that were not there.",
        &["tests/defects.rs::what_the_documents_name_is_there"],
    ),
];

/// Tests named above that are not in the tree yet. This list must shrink to nothing.
const AWAITED: &[&str] = &[];

fn page() -> String {
    let mut text = String::from(
        "# What was wrong before, and what proves it absent here\n\n\
         Written by `tests/defects.rs`, which also checks that each test named here exists: change the table there\n\
         and run `UPDATE_DEFECTS=1 cargo test --test defects`. A test that is not in the tree yet is marked (awaited).\n\n\
         | # | the predecessor's defect | proved absent by |\n|---|---|---|\n",
    );
    for (i, Defect(what, proofs)) in DEFECTS.iter().enumerate() {
        let proofs: Vec<String> = proofs
            .iter()
            .map(|p| {
                let awaited = if AWAITED.contains(p) {
                    " (awaited)"
                } else {
                    ""
                };
                format!("`{p}`{awaited}")
            })
            .collect();
        let _ = writeln!(text, "| {} | {what} | {} |", i + 1, proofs.join("<br>"));
    }
    text
}

#[test]
fn each_defect_has_a_test_that_is_there() {
    assert_eq!(DEFECTS.len(), 33);
    let mut wrong = Vec::new();
    for (i, Defect(_, proofs)) in DEFECTS.iter().enumerate() {
        if proofs.is_empty() {
            wrong.push(format!("{}: nothing proves it", i + 1));
        }
        for proof in *proofs {
            match (stands(proof), AWAITED.contains(proof)) {
                (false, false) => wrong.push(format!("{}: there is no {proof}", i + 1)),
                (true, true) => wrong.push(format!("{proof} has come: strike it off AWAITED")),
                _ => {}
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn the_page_is_the_table() {
    let path = root().join("docs/defects.md");
    if std::env::var_os("UPDATE_DEFECTS").is_some() {
        fs::write(&path, page()).unwrap();
    }
    assert!(
        fs::read_to_string(&path).unwrap_or_default() == page(),
        "docs/defects.md is out of date: run this test with UPDATE_DEFECTS=1"
    );
}

/// Files below a folder with an ending.
fn files(dir: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, ending));
        } else if path.extension().is_some_and(|e| e == ending) {
            found.push(path);
        }
    }
    found
}

#[test]
fn no_test_is_switched_off_without_a_reason() {
    let word = ["#[", "ignore"].concat();
    for file in [
        files(&root().join("src"), "rs"),
        files(&root().join("tests"), "rs"),
    ]
    .concat()
    {
        let text = fs::read_to_string(&file).unwrap();
        for line in text.lines().filter(|l| l.trim_start().starts_with(&word)) {
            assert!(line.contains(" = \""), "{}: {line}", file.display());
        }
    }
}

/// The code of a file without its comments and tests.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let text = text.split("#[cfg(test)]").next().unwrap_or_default();
    text.lines()
        .filter(|l| !l.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn the_product_starts_no_program_but_mediamtx() {
    for file in files(&root().join("src"), "rs") {
        if file.file_name().is_some_and(|n| n == "tests.rs")
            || file.components().any(|c| c.as_os_str() == "tests")
        {
            continue;
        }
        let starts = code(&file).contains("Command::new(");
        let may = file.components().any(|c| c.as_os_str() == "mediamtx");
        assert!(!starts || may, "{} starts another program", file.display());
    }
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let product = manifest.split("[dev-dependencies]").next().unwrap();
    for helper in ["proptest", "insta", "mockall", "tempfile"] {
        assert!(
            !product.contains(&format!("\n{helper}")),
            "{helper} is part of the product"
        );
    }
}

#[test]
fn what_the_documents_name_is_there() {
    let makefile = fs::read_to_string(root().join("Makefile")).unwrap();
    let mut pages = files(&root().join("docs"), "md");
    pages.push(root().join("README.md"));
    let mut wrong = Vec::new();
    for page in pages {
        let text = fs::read_to_string(&page).unwrap();
        let here = page.parent().unwrap();
        for link in text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
        {
            let target = link.split('#').next().unwrap();
            let ours = !target.is_empty()
                && !target.contains(':')
                && !target.contains(char::is_whitespace);
            if ours && !here.join(target).exists() {
                wrong.push(format!("{}: {target} is not there", page.display()));
            }
        }
        for word in text
            .split("`make ")
            .skip(1)
            .filter_map(|rest| rest.split(['`', ' ']).next())
        {
            if !makefile.lines().any(|l| l.starts_with(&format!("{word}:"))) {
                wrong.push(format!("{}: there is no `make {word}`", page.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// A port that was free a moment ago.
fn free() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

#[test]
fn with_no_camera_and_no_media_server_the_ports_answer_at_once_and_a_stop_is_heard() {
    let folder = std::env::temp_dir().join(format!("camera-service-bare-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let ports = [free(), free()];
    let started = clock::mono();
    let mut child = Command::new(env!("CARGO_BIN_EXE_camera-service"))
        .arg("run")
        .env("CAMERA_SERVICE_SERVER_HOST", "127.0.0.1")
        .env("CAMERA_SERVICE_SERVER_PORT", ports[0].to_string())
        .env("CAMERA_SERVICE_HTTP_HEALTH_HOST", "127.0.0.1")
        .env("CAMERA_SERVICE_HTTP_HEALTH_PORT", ports[1].to_string())
        .env("CAMERA_SERVICE_MEDIAMTX_MANAGED", "false")
        .env("CAMERA_SERVICE_MEDIAMTX_API_PORT", free().to_string())
        .env("CAMERA_SERVICE_TEST_CAMERA_ENABLED", "false")
        .env("CAMERA_SERVICE_STORAGE_DATA_DIR", folder.join("data"))
        .env("CAMERA_SERVICE_STORAGE_RUNTIME_DIR", folder.join("run"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut live = None;
    let mut open = false;
    while clock::mono().since(started) < Duration::from_secs(10) && !(open && live.is_some()) {
        open = open || TcpStream::connect(("127.0.0.1", ports[0])).is_ok();
        live = live.or_else(|| ask(ports[1], "/health/live"));
        std::thread::sleep(Duration::from_millis(20));
    }
    let took = clock::mono().since(started);
    let pid = child.id().to_string();
    let told = Command::new("kill").args(["-TERM", &pid]).status().unwrap();
    let mut ended = None;
    for _ in 0..500 {
        ended = child.try_wait().unwrap();
        if ended.is_some() {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let _ = child.kill();
    let _ = child.wait();
    fs::remove_dir_all(&folder).unwrap();
    assert!(
        open && live.as_ref().is_some_and(|l| l.starts_with("HTTP/1.1 200")),
        "no good answer within 10 s: {live:?}"
    );
    assert!(took < Duration::from_secs(5), "the ports took {took:?}");
    assert!(
        told.success() && ended.is_some_and(|e| e.success()),
        "SIGTERM was not heard: {ended:?}"
    );
}

/// What a path of the health port answers.
fn ask(port: u16, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(2))).ok()?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n"
    )
    .ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    Some(text)
}
