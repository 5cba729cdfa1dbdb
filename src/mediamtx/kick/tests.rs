use super::*;
use crate::access::Role;
use proptest::prelude::*;
use std::sync::Mutex;

const WALL: u64 = 1_800_000_000;

fn at(millis: u64) -> Now {
    Now {
        mono: Mono::from_nanos(millis * 1_000_000),
        wall: Wall::from_nanos(WALL * 1_000_000_000 + millis * 1_000_000),
    }
}

fn who(name: &str, role: Role, secs: u64) -> Principal {
    Principal::plain(name, role, Wall::from_secs(WALL + secs))
}

fn question(id: Uuid, protocol: &str, action: &str) -> Question {
    let text = serde_json::json!({
        "action": action, "path": "live-a", "protocol": protocol, "id": id.to_string()
    });
    serde_json::from_value(text).unwrap()
}

/// A judge with a list of the fallen, and a role for all others.
#[derive(Default)]
struct Word(Mutex<(u64, Vec<&'static str>, Option<Role>)>);

impl Word {
    fn fell(&self, name: &'static str) {
        let mut word = self.0.lock().unwrap();
        word.0 += 1;
        word.1.push(name);
    }
    fn everybody_is(&self, role: Role) {
        let mut word = self.0.lock().unwrap();
        word.0 += 1;
        word.2 = Some(role);
    }
}

impl Judges for Word {
    fn generation(&self) -> u64 {
        self.0.lock().unwrap().0
    }
    fn again(&self, who: &Principal, _: Wall) -> Result<Principal, Refusal> {
        let word = self.0.lock().unwrap();
        if word.1.contains(&who.user_id.as_str()) {
            return Err(Refusal::Revoked);
        }
        let mut who = who.clone();
        who.role = word.2.unwrap_or(who.role);
        Ok(who)
    }
}

fn ids(kicks: &[Kick]) -> Vec<Uuid> {
    kicks.iter().map(|kick| kick.id).collect()
}

#[test]
fn a_revoked_viewer_is_kicked_from_every_session_and_nobody_else_is() {
    let (mut table, word) = (Admissions::default(), Word::default());
    let sessions: Vec<Uuid> = (0..4).map(|_| Uuid::new_v4()).collect();
    for (id, (name, protocol)) in sessions.iter().zip([
        ("ann", "rtsp"),
        ("ann", "webrtc"),
        ("bob", "hls"),
        ("ann", "hls"),
    ]) {
        assert!(table.admit(
            &question(*id, protocol, "read"),
            &who(name, Role::Viewer, 100),
            0,
            at(0).mono
        ));
    }
    assert_eq!(table.due(&word, at(1)), []);
    word.fell("ann");
    let due = table.due(&word, at(2));
    let mut kicked = ids(&due);
    kicked.sort();
    let mut anns = vec![sessions[0], sessions[1], sessions[3]];
    anns.sort();
    assert_eq!(kicked, anns);
    assert!(due.iter().all(|kick| kick.why == Refusal::Revoked));
    let kind = |id| due.iter().find(|k| k.id == id).unwrap().kind;
    assert_eq!(kind(sessions[1]), SessionKind::WebRtc);
    assert_eq!(kind(sessions[3]), SessionKind::Hls);
}

#[test]
fn a_session_ends_with_the_token_that_opened_it() {
    let (mut table, word, id) = (Admissions::default(), Word::default(), Uuid::new_v4());
    table.admit(
        &question(id, "rtsp", "read"),
        &who("ann", Role::Viewer, 5),
        0,
        at(0).mono,
    );
    assert_eq!(table.due(&word, at(4_999)), []);
    assert_eq!(ids(&table.due(&word, at(5_000))), [id]);
}

#[test]
fn a_publisher_who_is_an_operator_no_longer_is_kicked_and_a_viewer_stays() {
    let (mut table, word) = (Admissions::default(), Word::default());
    let (reads, publishes) = (Uuid::new_v4(), Uuid::new_v4());
    let ann = who("ann", Role::Operator, 100);
    table.admit(&question(reads, "webrtc", "read"), &ann, 0, at(0).mono);
    table.admit(
        &question(publishes, "webrtc", "publish"),
        &ann,
        0,
        at(0).mono,
    );
    word.everybody_is(Role::Viewer);
    let due = table.due(&word, at(1));
    assert_eq!(ids(&due), [publishes]);
    assert_eq!(due[0].why, Refusal::RoleTooLow);
}

#[test]
fn rights_that_ended_while_the_question_was_answered_are_not_missed() {
    let (mut table, word, id) = (Admissions::default(), Word::default(), Uuid::new_v4());
    let before = word.generation();
    word.fell("ann");
    assert_eq!(table.due(&word, at(0)), []);
    table.admit(
        &question(id, "rtsp", "read"),
        &who("ann", Role::Viewer, 100),
        before,
        at(1).mono,
    );
    assert_eq!(ids(&table.due(&word, at(2))), [id]);
}

#[test]
fn a_session_that_is_not_listed_yet_is_kicked_again_until_it_must_be_gone() {
    let (mut table, word, id) = (Admissions::default(), Word::default(), Uuid::new_v4());
    table.admit(
        &question(id, "webrtc", "read"),
        &who("ann", Role::Viewer, 100),
        0,
        at(0).mono,
    );
    word.fell("ann");
    assert_eq!(ids(&table.due(&word, at(100))), [id]);
    table.kicked(id, at(110).mono);
    assert_eq!(table.due(&word, at(300)), [], "not in every round");
    assert_eq!(
        ids(&table.due(&word, at(700))),
        [id],
        "it may have come after the kick"
    );
    assert_eq!(ids(&table.due(&word, at(10_000))), [id]);
    table.kicked(id, at(10_001).mono);
    assert!(table.is_empty());
}

#[test]
fn who_has_left_is_forgotten_and_who_has_just_come_is_not() {
    let mut table = Admissions::default();
    let (old, new, gone) = (Uuid::new_v4(), Uuid::new_v4(), Uuid::new_v4());
    let ann = who("ann", Role::Viewer, 100);
    table.admit(&question(old, "rtsp", "read"), &ann, 0, at(0).mono);
    table.admit(&question(gone, "rtsp", "read"), &ann, 0, at(0).mono);
    table.admit(&question(new, "rtsp", "read"), &ann, 0, at(15_000).mono);
    table.listed(&HashSet::from([old]), at(20_000).mono);
    assert!(table.0.contains_key(&old) && table.0.contains_key(&new));
    assert!(!table.0.contains_key(&gone));
}

#[test]
fn a_full_table_gives_way_where_no_session_stands_and_lets_nobody_in_where_all_do() {
    let mut table = Admissions::default();
    let ann = who("ann", Role::Viewer, 100);
    let sessions: Vec<Uuid> = (0..MOST).map(|_| Uuid::new_v4()).collect();
    for (n, id) in sessions.iter().enumerate() {
        assert!(table.admit(&question(*id, "rtsp", "read"), &ann, 0, at(n as u64).mono));
    }
    // Asking four thousand times in ten seconds makes nobody forgotten: such a session could never be ended.
    let late = question(Uuid::new_v4(), "rtsp", "read");
    assert!(!table.admit(&late, &ann, 0, at(9_000).mono));
    assert!(table.0.contains_key(&sessions[0]));
    assert!(table.admit(&late, &ann, 0, at(10_500).mono));
    assert_eq!(table.0.len(), MOST);
    assert!(!table.0.contains_key(&sessions[0]), "the oldest gives way");
    let all = table.0.keys().copied().collect();
    table.listed(&all, at(10_501).mono);
    let later = question(Uuid::new_v4(), "rtsp", "read");
    assert!(!table.admit(&later, &ann, 0, at(90_002).mono));
    assert!(
        table.admit(&late, &ann, 0, at(90_003).mono),
        "who is in may go on"
    );
}

proptest! {
    #[test]
    fn whoever_fell_is_kicked_within_one_round_and_never_before(
        joins in proptest::collection::vec((0_usize..3, 0_u64..5_000), 1..40),
        falls in 0_u64..5_000,
    ) {
        const NAMES: [&str; 3] = ["ann", "bob", "eve"];
        let (mut table, word) = (Admissions::default(), Word::default());
        let mut joins: Vec<_> = joins.into_iter().map(|(n, t)| (t, n, Uuid::new_v4())).collect();
        joins.sort_unstable();
        let mut fallen = false;
        for (time, name, id) in joins {
            if !fallen && time >= falls {
                word.fell("eve");
                fallen = true;
            }
            // The judge lets nobody in who has fallen already.
            if fallen && NAMES[name] == "eve" {
                continue;
            }
            table.admit(&question(id, "rtsp", "read"), &who(NAMES[name], Role::Viewer, 100), word.generation(), at(time).mono);
            for kick in table.due(&word, at(time)) {
                prop_assert!(fallen && kick.who.user_id == "eve");
            }
        }
        word.fell("eve");
        let _ = table.due(&word, at(6_000));
        prop_assert!(table.0.values().all(|e| (e.who.user_id == "eve") == e.fallen.is_some()));
    }
}

#[test]
fn it_is_looked_often_only_while_somebodys_rights_end() {
    let (mut table, word) = (Admissions::default(), Word::default());
    let (seldom, soon) = (Duration::from_secs(1), Duration::from_millis(250));
    assert_eq!(table.round(at(0)), None);
    let id = Uuid::new_v4();
    let ann = who("ann", Role::Viewer, 100);
    assert!(table.admit(&question(id, "rtsp", "read"), &ann, 0, at(0).mono));
    assert_eq!(table.round(at(1)), Some(seldom));
    // They end a second from now, so the next of the seldom looks may come too late.
    assert_eq!(table.round(at(98_900)), Some(seldom));
    assert_eq!(table.round(at(99_000)), Some(soon));
    word.fell("ann");
    assert_eq!(ids(&table.due(&word, at(20_000))), [id]);
    assert_eq!(table.round(at(20_001)), Some(soon), "until it is gone");
    table.kicked(id, at(20_100).mono);
    assert_eq!(table.round(at(20_101)), None);
}
