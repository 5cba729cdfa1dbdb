//! The contract as data: every method with its role, parameters, result and errors.
//!
//! Nothing here is taken from the service: a method's row says what any server of this contract
//! must do. The numbers in comments are the contract's sections.

use crate::shape::Shape::{self, *};
use crate::shape::{Field, opt, req};

/// Who calls; each may do what those before may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    Stranger,
    Viewer,
    Operator,
    Admin,
}

impl Role {
    pub(crate) const ALL: [Self; 4] = [Self::Stranger, Self::Viewer, Self::Operator, Self::Admin];

    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Stranger => "none",
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }

    /// The `permissions` array (§2).
    pub(crate) const fn permissions(self) -> &'static [&'static str] {
        match self {
            Self::Stranger => &[],
            Self::Viewer => &["view"],
            Self::Operator => &["view", "control"],
            Self::Admin => &["view", "control", "admin"],
        }
    }
}

/// The twelve codes with their messages and the fields of `error.data` beside the common four (§7, §20.3).
pub(crate) const CODES: &[(i64, &str, &[&str])] = &[
    (-32700, "Parse error", &[]),
    (-32600, "Invalid Request", &[]),
    (-32601, "Method not found", &[]),
    (-32602, "Invalid parameters", &["param", "rule"]),
    (-32603, "Internal server error", &["request_id"]),
    (-32001, "Authentication failed or token expired", &[]),
    (-32002, "Permission denied", &["required_role", "have_role"]),
    (-32010, "Not found", &["resource", "id"]),
    (-32020, "Invalid state", &["state", "allowed_states"]),
    (-32030, "Unsupported", &["feature"]),
    (-32040, "Rate limited", &["retry_after_ms"]),
    (-32050, "Dependency failed", &["dependency", "detail"]),
];

/// What a parameter may be (§3, §5, §20).
#[derive(Debug, Clone, Copy)]
pub(crate) enum Rule {
    /// A token: any string is a token, only not a good one.
    Token,
    /// `cameraN`, or the name of an external stream (§20.21, §20.27).
    Device,
    /// The stem of a file that will be made.
    Stem,
    /// The name of a file that should be there.
    File,
    /// A whole number within bounds.
    Int(i64, i64),
    /// Any number within bounds.
    Number(f64, f64),
    /// A number above zero.
    Positive,
    /// One of these words.
    Word(&'static [&'static str]),
    Bool,
    /// A list of at least one topic.
    Topics,
    /// An object with known keys.
    Filters,
    /// `rtsp(s)://`, at most 2,048 characters (§20.21).
    Url,
    /// `^[a-z0-9_-]{1,64}$` (§20.21).
    StreamName,
}

/// One parameter.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Param {
    pub(crate) name: &'static str,
    pub(crate) rule: Rule,
    pub(crate) required: bool,
}

const fn must(name: &'static str, rule: Rule) -> Param {
    Param {
        name,
        rule,
        required: true,
    }
}

const fn may(name: &'static str, rule: Rule) -> Param {
    Param {
        name,
        rule,
        required: false,
    }
}

/// What must stand before a good call can be made; the suite makes it through the methods themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fixture {
    Nothing,
    /// `$camera`: a connected camera.
    Camera,
    /// `$camera` that is not recorded.
    Idle,
    /// `$camera` that is recorded.
    Recording,
    /// `$recording`: a finished recording.
    RecordingFile,
    /// `$snapshot`.
    SnapshotFile,
    /// `$camera` whose stream was started.
    Streaming,
    /// `$stream_url`, `$stream_name` that are not known.
    FreshStream,
    /// `$stream_url` that is known.
    ExternalStream,
}

/// A call that must succeed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Good {
    pub(crate) fixture: Fixture,
    /// JSON with `$names` of the fixture.
    pub(crate) params: &'static str,
    /// This refusal is good as well: the feature may be off or not built (§20.7, §20.21).
    pub(crate) or: Option<i64>,
    /// It changes what a stranger's box keeps, or deletes what is on it.
    pub(crate) invasive: bool,
}

const fn good(fixture: Fixture, params: &'static str) -> Good {
    Good {
        fixture,
        params,
        or: None,
        invasive: false,
    }
}

const fn or(mut call: Good, code: i64) -> Good {
    call.or = Some(code);
    call
}

const fn invasive(mut call: Good) -> Good {
    call.invasive = true;
    call
}

/// A call whose parameters contradict each other, beyond what each one's rule says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bad {
    pub(crate) what: &'static str,
    pub(crate) params: &'static str,
}

/// One row of the contract.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Method {
    pub(crate) name: &'static str,
    /// The least role (§4).
    pub(crate) role: Role,
    pub(crate) params: &'static [Param],
    pub(crate) result: Shape,
    /// Errors beyond the universal ones (§5).
    pub(crate) errors: &'static [i64],
    pub(crate) good: &'static [Good],
    pub(crate) bad: &'static [Bad],
}

/// The methods that the service does not have yet. This list must shrink to nothing; the suite
/// fails when one of them is offered, and when one that is not listed is missing.
pub(crate) const NOT_YET: &[&str] = &[];

/// Expectations that are known not to hold yet: the scenario, and words of the failing line. An entry
/// that no longer fails is itself a failure, so that this list can only shrink.
pub(crate) const KNOWN: &[(&str, &str)] = &[];

/// The documented topics (§6).
pub(crate) const TOPICS: &[&str] = &[
    "camera.connected",
    "camera.disconnected",
    "camera.status_change",
    "recording.start",
    "recording.stop",
    "recording.error",
    "snapshot.taken",
    "system.health",
    "system.startup",
    "system.shutdown",
];

/// Accepted in subscriptions beside [`TOPICS`].
pub(crate) const ALIASES: &[&str] = &["camera_status_update", "recording_status_update"];

/// The notifications; no method (§4, §6).
pub(crate) const NOTIFICATIONS: &[&str] = &["camera_status_update", "recording_status_update"];

const DEVICE: &[Param] = &[must("device", Rule::Device)];
const PAGE: &[Param] = &[
    may("limit", Rule::Int(1, 1000)),
    may("offset", Rule::Int(0, i64::MAX)),
];
const FILE: &[Param] = &[must("filename", Rule::File)];
const ON_CAMERA: &[Good] = &[good(Fixture::Camera, r#"{"device":"$camera"}"#)];
const BARE: &[Good] = &[good(Fixture::Nothing, "{}")];
const PAGES: &[Good] = &[
    good(Fixture::Nothing, "{}"),
    good(Fixture::Nothing, r#"{"limit":1}"#),
    good(Fixture::Nothing, r#"{"limit":1000,"offset":0}"#),
    good(Fixture::Nothing, r#"{"limit":10.0,"offset":1000000}"#),
];

const STATUS: Shape = Word(&["CONNECTED", "DISCONNECTED", "ERROR"]);
const STREAMS: Shape = Obj(&[
    req("rtsp", Url("rtsp")),
    req("hls", Url("http")),
    opt("webrtc", Url("http")),
]);
const CAMERA: &[Field] = &[
    req("device", DeviceId),
    req("status", STATUS),
    req("name", Text),
    req("resolution", Size),
    req("fps", Count),
    req("streams", STREAMS),
];
const TEXTS: Shape = List(&Text);
const FORMATS: &[Field] = &[req("formats", TEXTS), req("resolutions", List(&Size))];
const RECORD_START: Shape = Word(&[
    "RECORDING",
    "STARTING",
    "STOPPING",
    "PAUSED",
    "ERROR",
    "FAILED",
]);
const RECORD_STOP: Shape = Word(&[
    "STOPPED", "STARTING", "STOPPING", "PAUSED", "ERROR", "FAILED",
]);
const CONTAINER: Shape = Word(&["fmp4", "mp4", "mkv"]);
const FILE_LIST: Shape = Obj(&[
    req(
        "files",
        List(&Obj(&[
            req("filename", Stem),
            req("file_size", Count),
            req("modified_time", Iso),
            req("download_url", Path("/files/")),
        ])),
    ),
    req("total", Count),
    req("limit", Count),
    req("offset", Count),
]);
const DELETED: Shape = Obj(&[
    req("filename", Stem),
    req("deleted", Bool),
    req("message", Text),
]);
const EXTERNAL: Shape = List(&Obj(&[
    req("url", Url("rtsp")),
    req("type", Word(&["skydio_stanag4609", "generic_rtsp"])),
    req("name", Text),
    req("status", Word(&["DISCOVERED", "ERROR"])),
    req("discovered_at", Iso),
    req("last_seen", Iso),
    req("capabilities", Any),
]));
const COMPONENT: Shape = Word(&["RUNNING", "STOPPED", "ERROR", "STARTING", "STOPPING"]);

const fn row(name: &'static str, role: Role, params: &'static [Param], result: Shape) -> Method {
    Method {
        name,
        role,
        params,
        result,
        errors: &[],
        good: BARE,
        bad: &[],
    }
}

/// The 34 methods.
pub(crate) const METHODS: &[Method] = &[
    // 5.1
    row("ping", Role::Stranger, &[], Exactly("pong")),
    Method {
        good: &[
            good(Fixture::Nothing, r#"{"auth_token":"$token"}"#),
            good(Fixture::Nothing, r#"{"token":"$token"}"#),
            good(
                Fixture::Nothing,
                r#"{"auth_token":"$token","auth_type":"jwt"}"#,
            ),
        ],
        bad: &[
            Bad {
                what: "both names of the token",
                params: r#"{"auth_token":"x","token":"x"}"#,
            },
            Bad {
                what: "a type without a token",
                params: r#"{"auth_type":"jwt"}"#,
            },
        ],
        ..row(
            "authenticate",
            Role::Stranger,
            &[
                must("auth_token", Rule::Token),
                may("auth_type", Rule::Word(&["jwt", "api_key"])),
            ],
            Obj(&[
                req("authenticated", Bool),
                req("role", Word(&["admin", "operator", "viewer"])),
                req("permissions", TEXTS),
                req("expires_at", Iso),
                req("session_id", Uuid),
            ]),
        )
    },
    // 5.2
    row(
        "get_camera_list",
        Role::Viewer,
        &[],
        Obj(&[
            req("cameras", List(&Obj(CAMERA))),
            req("total", Count),
            req("connected", Count),
        ]),
    ),
    Method {
        errors: &[-32010],
        good: ON_CAMERA,
        ..row(
            "get_camera_status",
            Role::Viewer,
            DEVICE,
            Both(
                CAMERA,
                &[
                    opt(
                        "metrics",
                        Obj(&[
                            req("bytes_sent", Count),
                            req("readers", Count),
                            req("uptime", Count),
                        ]),
                    ),
                    opt("capabilities", Obj(FORMATS)),
                ],
            ),
        )
    },
    Method {
        errors: &[-32010],
        good: ON_CAMERA,
        ..row(
            "get_camera_capabilities",
            Role::Viewer,
            DEVICE,
            Both(
                FORMATS,
                &[
                    req("device", DeviceId),
                    req("fps_options", List(&Count)),
                    req(
                        "validation_status",
                        Word(&["NONE", "DISCONNECTED", "CONFIRMED"]),
                    ),
                ],
            ),
        )
    },
    // 5.3
    Method {
        errors: &[-32010, -32020, -32050],
        good: &[
            good(Fixture::Camera, r#"{"device":"$camera"}"#),
            good(
                Fixture::Camera,
                r#"{"device":"$camera","filename":"conformance-$n"}"#,
            ),
            good(
                Fixture::Camera,
                r#"{"device":"$camera","filename":"conformance-jpg-$n.jpg"}"#,
            ),
        ],
        ..row(
            "take_snapshot",
            Role::Operator,
            &[must("device", Rule::Device), may("filename", Rule::Stem)],
            Obj(&[
                req("device", DeviceId),
                req("filename", Text),
                req("status", Word(&["SUCCESS"])), // never FAILED (§20.22)
                req("timestamp", Iso),
                req("file_size", Count),
                req("file_path", Path("/")),
            ]),
        )
    },
    Method {
        errors: &[-32010, -32020, -32030, -32050],
        good: &[
            good(Fixture::Idle, r#"{"device":"$camera"}"#),
            good(
                Fixture::Idle,
                r#"{"device":"$camera","duration":86400,"format":"fmp4"}"#,
            ),
            good(Fixture::Idle, r#"{"device":"$camera","duration":1.5}"#),
            good(
                Fixture::Idle,
                r#"{"device":"$camera","format":"mp4","filename":"conformance-$n"}"#,
            ),
            or(
                good(Fixture::Idle, r#"{"device":"$camera","format":"mkv"}"#),
                -32030,
            ),
        ],
        ..row(
            "start_recording",
            Role::Operator,
            &[
                must("device", Rule::Device),
                may("duration", Rule::Number(1.0, 86400.0)),
                may("format", Rule::Word(&["fmp4", "mp4", "mkv"])),
                may("filename", Rule::Stem),
            ],
            Obj(&[
                req("device", DeviceId),
                req("filename", Stem),
                req("status", RECORD_START),
                req("start_time", Iso),
                req("format", CONTAINER),
            ]),
        )
    },
    Method {
        errors: &[-32010, -32020, -32050],
        good: &[good(Fixture::Recording, r#"{"device":"$camera"}"#)],
        ..row(
            "stop_recording",
            Role::Operator,
            DEVICE,
            Obj(&[
                req("device", DeviceId),
                req("filename", Stem),
                req("status", RECORD_STOP),
                req("start_time", Iso),
                req("end_time", Iso),
                req("duration", Count),
                req("file_size", Count),
                req("format", CONTAINER),
            ]),
        )
    },
    // 5.4
    Method {
        errors: &[-32010, -32020, -32050],
        good: ON_CAMERA,
        ..row(
            "start_streaming",
            Role::Operator,
            DEVICE,
            Obj(&[
                req("device", DeviceId),
                req("stream_name", Text),
                req("stream_url", Url("rtsp")),
                req("status", Word(&["STARTED", "FAILED"])),
                req("start_time", Iso),
                req("auto_close_after", Text),
            ]), // ffmpeg_command is left out (§20.11)
        )
    },
    Method {
        errors: &[-32010, -32020],
        good: &[good(Fixture::Streaming, r#"{"device":"$camera"}"#)],
        ..row(
            "stop_streaming",
            Role::Operator,
            DEVICE,
            Obj(&[
                req("device", DeviceId),
                req("stream_name", Text),
                req("status", Word(&["STOPPED", "FAILED"])),
                req("start_time", Iso),
                req("end_time", Iso),
                req("duration", Count),
                req("stream_continues", Bool),
                req("message", Text),
            ]),
        )
    },
    Method {
        errors: &[-32010],
        good: ON_CAMERA,
        ..row(
            "get_stream_url",
            Role::Viewer,
            DEVICE,
            Obj(&[
                req("device", DeviceId),
                req("stream_name", Text),
                req("stream_url", Url("rtsp")),
                req("available", Bool),
                req("active_consumers", Count),
                req("stream_status", Word(&["READY", "NOT_READY", "ERROR"])),
            ]),
        )
    },
    Method {
        errors: &[-32010],
        good: ON_CAMERA,
        ..row(
            "get_stream_status",
            Role::Viewer,
            DEVICE,
            Obj(&[
                req("device", DeviceId),
                req("stream_name", Text),
                req(
                    "status",
                    Word(&["ACTIVE", "INACTIVE", "ERROR", "STARTING", "STOPPING"]),
                ),
                req("ready", Bool),
                req(
                    "ffmpeg_process",
                    Obj(&[
                        req("running", Bool),
                        req("pid", Nullable(&Count)), // null while idle (§20.17)
                        req("uptime", Nullable(&Count)),
                    ]),
                ),
                req(
                    "mediamtx_path",
                    Obj(&[
                        req("exists", Bool),
                        req("ready", Bool),
                        req("readers", Count),
                    ]),
                ),
                req(
                    "metrics",
                    Obj(&[
                        req("bytes_sent", Count),
                        req("frames_sent", Count),
                        req("bitrate", Number),
                        req("fps", Number),
                    ]),
                ),
                req("start_time", Nullable(&Iso)),
            ]),
        )
    },
    Method {
        errors: &[-32050],
        ..row(
            "get_streams",
            Role::Viewer,
            &[],
            List(&Obj(&[
                req("name", Text),
                req("source", Text),
                req("ready", Bool),
                req("readers", Count),
                req("bytes_sent", Count),
            ])),
        )
    },
    // 5.5
    Method {
        good: PAGES,
        ..row("list_recordings", Role::Viewer, PAGE, FILE_LIST)
    },
    Method {
        good: PAGES,
        ..row("list_snapshots", Role::Viewer, PAGE, FILE_LIST)
    },
    Method {
        errors: &[-32010],
        good: &[good(Fixture::RecordingFile, r#"{"filename":"$recording"}"#)],
        ..row(
            "get_recording_info",
            Role::Viewer,
            FILE,
            Obj(&[
                req("filename", Stem),
                req("file_size", Count),
                req("duration", Count),
                req("created_time", Iso),
                req("download_url", Path("/files/recordings/")),
            ]),
        )
    },
    Method {
        errors: &[-32010],
        good: &[good(Fixture::SnapshotFile, r#"{"filename":"$snapshot"}"#)],
        ..row(
            "get_snapshot_info",
            Role::Viewer,
            FILE,
            Obj(&[
                req("filename", Text),
                req("file_size", Count),
                req("created_time", Iso),
                req("download_url", Path("/files/snapshots/")),
            ]),
        )
    },
    Method {
        errors: &[-32010, -32020],
        good: &[good(Fixture::RecordingFile, r#"{"filename":"$recording"}"#)],
        ..row("delete_recording", Role::Operator, FILE, DELETED)
    },
    Method {
        errors: &[-32010],
        good: &[good(Fixture::SnapshotFile, r#"{"filename":"$snapshot"}"#)],
        ..row("delete_snapshot", Role::Operator, FILE, DELETED)
    },
    row(
        "get_storage_info",
        Role::Admin,
        &[],
        Obj(&[
            req("total_space", Count),
            req("used_space", Count),
            req("available_space", Count),
            req("usage_percentage", Percent),
            req("recordings_size", Count),
            req("snapshots_size", Count),
            req("low_space_warning", Bool),
        ]),
    ),
    Method {
        good: &[
            invasive(good(
                Fixture::Nothing,
                r#"{"policy_type":"age","max_age_days":30,"enabled":true}"#,
            )),
            invasive(good(
                Fixture::Nothing,
                r#"{"policy_type":"size","max_size_gb":0.5,"max_age_days":3650,"enabled":true}"#,
            )),
            invasive(good(
                Fixture::Nothing,
                r#"{"policy_type":"manual","enabled":false}"#,
            )),
        ],
        bad: &[
            Bad {
                what: "age without max_age_days",
                params: r#"{"policy_type":"age","enabled":true}"#,
            },
            Bad {
                what: "size without max_size_gb",
                params: r#"{"policy_type":"size","enabled":true}"#,
            },
            Bad {
                what: "size with only an age",
                params: r#"{"policy_type":"size","max_age_days":3,"enabled":true}"#,
            },
            Bad {
                what: "manual with a limit",
                params: r#"{"policy_type":"manual","max_age_days":3,"enabled":true}"#,
            },
        ],
        ..row(
            "set_retention_policy",
            Role::Admin,
            &[
                must("policy_type", Rule::Word(&["age", "size", "manual"])),
                must("enabled", Rule::Bool),
                may("max_age_days", Rule::Int(1, i64::MAX)),
                may("max_size_gb", Rule::Positive),
            ],
            Obj(&[
                req("policy_type", Word(&["age", "size", "manual"])),
                opt("max_age_days", Count),
                opt("max_size_gb", Number),
                req("enabled", Bool),
                req("message", Text),
            ]),
        )
    },
    Method {
        good: &[invasive(good(Fixture::Nothing, "{}"))],
        ..row(
            "cleanup_old_files",
            Role::Admin,
            &[],
            Obj(&[
                req("cleanup_executed", Bool),
                req("files_deleted", Count),
                req("space_freed", Count),
                req("message", Text),
            ]),
        )
    },
    // 5.6
    row(
        "get_status",
        Role::Admin,
        &[],
        Obj(&[
            req("status", Word(&["HEALTHY", "DEGRADED", "UNHEALTHY"])),
            req("uptime", Number),
            req("version", Text),
            req(
                "components",
                Obj(&[
                    req("websocket_server", COMPONENT),
                    req("camera_monitor", COMPONENT),
                    req("mediamtx", COMPONENT),
                ]),
            ),
        ]),
    ),
    row(
        "get_system_status",
        Role::Viewer,
        &[],
        Obj(&[
            req("status", Word(&["starting", "partial", "ready"])),
            req("message", Text),
            req("available_cameras", List(&DeviceId)),
            req("discovery_active", Bool),
        ]),
    ),
    row(
        "get_server_info",
        Role::Viewer,
        &[],
        Obj(&[
            req("name", Text),
            req("version", Text),
            req("build_date", Text),
            req("go_version", Text),
            req("architecture", Text),
            req(
                "capabilities",
                List(&Word(&["snapshots", "recordings", "streaming"])),
            ),
            req(
                "supported_formats",
                List(&Word(&["fmp4", "mp4", "mkv", "jpg"])),
            ),
            req("max_cameras", Count),
        ]),
    ),
    row(
        "get_metrics",
        Role::Admin,
        &[],
        Obj(&[
            req("timestamp", Iso),
            req(
                "system_metrics",
                Obj(&[
                    req("cpu_usage", Percent),
                    req("memory_usage", Percent),
                    req("disk_usage", Percent),
                    req("goroutines", Count),
                ]),
            ),
            req(
                "camera_metrics",
                Obj(&[
                    req("connected_cameras", Count),
                    req(
                        "cameras",
                        Map(&Obj(&[
                            req("path", Text),
                            req("name", Text),
                            req("status", Text),
                            req("device_num", Count),
                            req("last_seen", Iso),
                            req(
                                "capabilities",
                                Obj(&[
                                    req("driver_name", Text),
                                    req("card_name", Text),
                                    req("bus_info", Text),
                                    req("version", Text),
                                    req("capabilities", TEXTS),
                                    req("device_caps", TEXTS),
                                ]),
                            ),
                            req(
                                "formats",
                                List(&Obj(&[
                                    req("pixel_format", Text),
                                    req("width", Count),
                                    req("height", Count),
                                    req("frame_rates", List(&Any)),
                                ])),
                            ),
                        ])),
                    ),
                ]),
            ),
            req("recording_metrics", AnyObject),
            req(
                "stream_metrics",
                Obj(&[
                    req("active_streams", Count),
                    req("total_streams", Count),
                    req("total_viewers", Count),
                ]),
            ),
        ]),
    ),
    // 5.7
    Method {
        good: &[
            good(Fixture::Nothing, r#"{"topics":["recording.start"]}"#),
            good(
                Fixture::Nothing,
                r#"{"topics":["camera.status_change","recording.stop"],"filters":{"device":"camera0"}}"#,
            ),
            good(
                Fixture::Nothing,
                r#"{"topics":["camera_status_update","recording_status_update"],"filters":{}}"#,
            ),
        ],
        bad: &[
            Bad {
                what: "no topic",
                params: r#"{"topics":[]}"#,
            },
            Bad {
                what: "an unknown topic among good ones",
                params: r#"{"topics":["recording.start","recording.begin"]}"#,
            },
            Bad {
                what: "a topic that is no string",
                params: r#"{"topics":[1]}"#,
            },
            Bad {
                what: "an unknown filter",
                params: r#"{"topics":["recording.start"],"filters":{"colour":"red"}}"#,
            },
        ],
        ..row(
            "subscribe_events",
            Role::Viewer,
            &[must("topics", Rule::Topics), may("filters", Rule::Filters)],
            Obj(&[
                req("subscribed", Bool),
                req("topics", TEXTS),
                req("filters", AnyObject),
            ]),
        )
    },
    Method {
        good: &[
            good(Fixture::Nothing, r#"{"topics":["recording.start"]}"#),
            good(Fixture::Nothing, "{}"),
        ],
        ..row(
            "unsubscribe_events",
            Role::Viewer,
            &[may("topics", Rule::Topics)],
            Obj(&[req("unsubscribed", Bool), req("topics", TEXTS)]),
        )
    },
    row(
        "get_subscription_stats",
        Role::Viewer,
        &[],
        Obj(&[
            req(
                "global_stats",
                Obj(&[
                    req("total_subscriptions", Count),
                    req("active_clients", Count),
                    req("topic_counts", Map(&Count)),
                ]),
            ),
            req("client_topics", TEXTS),
            req("client_id", Text),
        ]),
    ),
    // 5.8
    Method {
        errors: &[-32030],
        good: &[
            or(good(Fixture::Nothing, "{}"), -32030),
            or(
                good(
                    Fixture::Nothing,
                    r#"{"skydio_enabled":true,"generic_enabled":false,"force_rescan":false,"include_offline":true}"#,
                ),
                -32030,
            ),
        ],
        ..row(
            "discover_external_streams",
            Role::Operator,
            &[
                may("skydio_enabled", Rule::Bool),
                may("generic_enabled", Rule::Bool),
                may("force_rescan", Rule::Bool),
                may("include_offline", Rule::Bool),
            ],
            Obj(&[
                req("discovered_streams", EXTERNAL),
                req("skydio_streams", EXTERNAL),
                req("generic_streams", EXTERNAL),
                req("scan_timestamp", Iso),
                req("total_found", Count),
                req(
                    "discovery_options",
                    Obj(&[
                        req("skydio_enabled", Bool),
                        req("generic_enabled", Bool),
                        req("force_rescan", Bool),
                        req("include_offline", Bool),
                    ]),
                ),
                req("scan_duration", Text),
                req("errors", TEXTS),
            ]),
        )
    },
    Method {
        errors: &[-32020, -32030],
        good: &[
            good(
                Fixture::FreshStream,
                r#"{"stream_url":"$stream_url","stream_name":"$stream_name"}"#,
            ),
            good(
                Fixture::FreshStream,
                r#"{"stream_url":"$stream_url","stream_name":"$stream_name","stream_type":"generic_rtsp"}"#,
            ),
        ],
        ..row(
            "add_external_stream",
            Role::Operator,
            &[
                must("stream_url", Rule::Url),
                must("stream_name", Rule::StreamName),
                may(
                    "stream_type",
                    Rule::Word(&["generic_rtsp", "skydio_stanag4609"]),
                ),
            ],
            Obj(&[
                req("stream_url", Url("rtsp")),
                req("stream_name", Text),
                req("stream_type", Word(&["generic_rtsp", "skydio_stanag4609"])),
                req("status", Word(&["ADDED"])), // failures are errors (§20.21)
                req("timestamp", Iso),
            ]),
        )
    },
    Method {
        errors: &[-32010, -32030],
        good: &[good(
            Fixture::ExternalStream,
            r#"{"stream_url":"$stream_url"}"#,
        )],
        ..row(
            "remove_external_stream",
            Role::Operator,
            &[must("stream_url", Rule::Url)],
            Obj(&[
                req("stream_url", Url("rtsp")),
                req("status", Word(&["REMOVED"])),
                req("timestamp", Iso),
            ]),
        )
    },
    row(
        "get_external_streams",
        Role::Viewer,
        &[],
        Obj(&[
            req("external_streams", EXTERNAL),
            req("skydio_streams", EXTERNAL),
            req("generic_streams", EXTERNAL),
            req("total_count", Count),
            req("timestamp", Iso),
        ]),
    ),
    Method {
        errors: &[-32030],
        good: &[
            invasive(or(
                good(Fixture::Nothing, r#"{"scan_interval":300}"#),
                -32030,
            )),
            invasive(good(Fixture::Nothing, r#"{"scan_interval":0}"#)),
        ],
        ..row(
            "set_discovery_interval",
            Role::Admin,
            &[must("scan_interval", Rule::Number(0.0, f64::MAX))],
            Obj(&[
                req("scan_interval", Number),
                req("status", Word(&["UPDATED"])),
                req("message", Text),
                req("timestamp", Iso),
            ]),
        )
    },
];

/// One row by its name.
pub(crate) fn method(name: &str) -> &'static Method {
    METHODS
        .iter()
        .find(|m| m.name == name)
        .unwrap_or_else(|| panic!("the contract has no {name}"))
}
