//! The answer to MediaMTX's question, and what follows from a yes.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::Semaphore;
use tracing::{debug, warn};

use crate::access::live::io::Live;
use crate::camera::Directory;
use crate::clock;
use crate::http::AuthCallback;
use crate::mediamtx::auth::{self, Decision, Secret, Who};
use crate::mediamtx::kick;

/// After a viewer was let in, key frames are asked for at these moments: at once for RTSP, later
/// for WebRTC, whose connection stands some hundred milliseconds after the question.
const KEYFRAMES_AFTER_JOIN: [Duration; 3] = [
    Duration::ZERO,
    Duration::from_millis(300),
    Duration::from_millis(800),
];
/// Joins that may have key frames outstanding; more are served by the regular ones.
const JOINS: usize = 32;

/// MediaMTX asks: may this one? Answered from memory; a viewer's join also asks for key frames, and
/// whoever is let in is remembered, to be ended with its rights.
pub(in crate::app) fn auth_callback(
    secret: Secret,
    access: Live,
    admissions: kick::io::Book,
    directory: Arc<Directory>,
) -> AuthCallback {
    let runtime = tokio::runtime::Handle::current();
    let joins = Arc::new(Semaphore::new(JOINS));
    Arc::new(move |body: &[u8]| {
        let decision = auth::read(body).map_or_else(
            |no| no,
            |asked| {
                let generation = access.generation();
                let judged = auth::decide(&asked, &secret, |text| {
                    access.open_with(text, clock::wall())
                });
                match &judged {
                    Decision::Allow {
                        who: Who::Bearer(who),
                        ..
                    } if !admissions.admit(&asked, who, generation) => Decision::Deny {
                        status: 403,
                        reason: "too many sessions to keep an eye on".to_owned(),
                    },
                    _ => judged,
                }
            },
        );
        match &decision {
            Decision::Allow {
                wants_keyframe: Some(camera),
                ..
            } => {
                if let (Some(camera), Ok(permit)) = (
                    directory.get(*camera),
                    Arc::clone(&joins).try_acquire_owned(),
                ) {
                    runtime.spawn(async move {
                        let _permit = permit;
                        let joined = tokio::time::Instant::now();
                        for after in KEYFRAMES_AFTER_JOIN {
                            tokio::time::sleep_until(joined + after).await;
                            camera
                                .counters
                                .keyframe_wanted
                                .store(true, Ordering::Relaxed);
                        }
                    });
                }
            }
            Decision::Allow { .. } => {}
            // A player's first request comes without credentials and is no news.
            Decision::Deny {
                status: 401,
                reason,
            } => debug!(reason, "not let in"),
            Decision::Deny { reason, .. } => warn!(reason, "not let in"),
        }
        decision.status()
    })
}
