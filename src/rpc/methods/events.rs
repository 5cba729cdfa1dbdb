//! `subscribe_events`, `unsubscribe_events`, `get_subscription_stats` (contract §5.7, §6, §20.18).

use serde_json::{Map, Value, json};

use crate::access::Role;
use crate::events::subject::Subject;
use crate::rpc::params::{Param, Rule, wanted};
use crate::rpc::session::Session;
use crate::rpc::table::{Answer, Call, Method, Outcome};

/// `subscribe_events`.
pub const SUBSCRIBE: Method = Method {
    name: "subscribe_events",
    role: Some(Role::Viewer),
    params: &[
        Param {
            name: "topics",
            rule: Rule::Topics,
            required: true,
            doc: "what to be told of; added to what was subscribed to before",
        },
        Param {
            name: "filters",
            rule: Rule::Filters,
            required: false,
            doc: "tell only of this device or this status; holds for these topics and replaces their earlier filters",
        },
    ],
    result: "Subscribed",
    errors: &[],
    doc: "Subscribes this connection to topics until it ends or unsubscribes.",
    handler: |session, call| Outcome::Now(subscribe(session, &call)),
};

/// `unsubscribe_events`.
pub const UNSUBSCRIBE: Method = Method {
    name: "unsubscribe_events",
    role: Some(Role::Viewer),
    params: &[Param {
        name: "topics",
        rule: Rule::Topics,
        required: false,
        doc: "what to be told of no longer; everything when absent",
    }],
    result: "Unsubscribed",
    errors: &[],
    doc: "Ends subscriptions of this connection.",
    handler: |session, call| Outcome::Now(unsubscribe(session, &call)),
};

/// `get_subscription_stats`.
pub const STATS: Method = Method {
    name: "get_subscription_stats",
    role: Some(Role::Viewer),
    params: &[],
    result: "SubscriptionStats",
    errors: &[],
    doc: "Counts the subscriptions of all connections and lists this one's.",
    handler: |session, call| Outcome::Now(Ok(stats(session, &call))),
};

fn subscribe(session: &mut Session, call: &Call) -> Answer {
    let topics = wanted::topics("topics", call.params.get("topics").unwrap_or(&Value::Null))?;
    let shown = call.params.get("filters").cloned();
    let shown = shown.unwrap_or_else(|| Value::Object(Map::new()));
    let filters = wanted::filters("filters", &shown)?;
    let words = words(&topics);
    session
        .subscriptions
        .add(&call.desk.registry, topics, &filters);
    Ok(json!({ "subscribed": true, "topics": words, "filters": shown }))
}

fn unsubscribe(session: &mut Session, call: &Call) -> Answer {
    let topics = match call.params.get("topics") {
        Some(value) => wanted::topics("topics", value)?,
        None => session.subscriptions.subjects(),
    };
    let words = words(&topics);
    session.subscriptions.remove(topics);
    Ok(json!({ "unsubscribed": true, "topics": words }))
}

fn stats(session: &Session, call: &Call) -> Value {
    let registry = &call.desk.registry;
    let counts: Vec<(Subject, usize)> = registry.counts().collect();
    let total: usize = counts.iter().map(|(_, count)| count).sum();
    let counts: Map<String, Value> = counts
        .into_iter()
        .map(|(subject, count)| (subject.as_str().to_owned(), count.into()))
        .collect();
    json!({
        "global_stats": {
            "total_subscriptions": total,
            "active_clients": registry.clients(),
            "topic_counts": counts,
        },
        "client_topics": words(&session.subscriptions.subjects()),
        "client_id": session.id(),
    })
}

fn words(subjects: &[Subject]) -> Vec<&'static str> {
    subjects.iter().map(|subject| subject.as_str()).collect()
}
