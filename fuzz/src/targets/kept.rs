//! Files that the service itself wrote, as they may lie there after a bad disk or a hand that edited them: what is
//! read and written again is the same. The first byte says which file.

use camera_service::access::audit::page;
use camera_service::access::store::{Index, Store};
use camera_service::clock::{Mono, Now, Wall};
use camera_service::{external, kept, recording, storage};

use crate::input::{Input, text};

const NOW: Now = Now {
    mono: Mono::from_nanos(100_000_000_000),
    wall: Wall::from_secs(1_800_000_000),
};

pub(crate) fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let which = input.byte();
    let bytes = input.rest();
    let text = text(bytes);
    match which {
        b'k' => {
            if let Ok(store) = Store::parse(bytes) {
                assert_eq!(Store::parse(&store.render()).as_ref(), Ok(&store));
                let index = Index::new(store);
                assert!(index.open("csk_guessed", NOW.wall).is_err());
            }
        }
        b'c' => {
            if let Ok(book) = kept::Book::parse(&text) {
                assert!(book.len() <= kept::MOST_CAMERAS);
                assert_eq!(kept::Book::parse(&book.render()), Ok(book));
            }
        }
        b'e' => {
            if let Ok(book) = external::book::Book::from_text(&text, NOW.wall) {
                let kept = book.to_text();
                let again = external::book::Book::from_text(&kept, NOW.wall).unwrap();
                assert_eq!(again.to_text(), kept);
            }
        }
        b'r' => {
            if let Ok(ledger) = recording::ledger::Ledger::from_text(&text, NOW, "b") {
                let kept = ledger.to_text();
                let again = recording::ledger::Ledger::from_text(&kept, NOW, "b").unwrap();
                assert_eq!(again.to_text(), kept);
            }
        }
        b's' => {
            if let Ok(policy) = storage::policy::Policy::from_text(&text) {
                let again = storage::policy::Policy::from_text(&policy.to_text());
                assert_eq!(again.as_ref(), Ok(&policy));
            }
        }
        _ => {
            let files: Vec<&str> = text.split('\u{c}').collect();
            let all = page(files.iter().copied(), usize::MAX, 0);
            assert!(all.entries.len() <= all.total && all.entries.iter().all(|e| e.is_object()));
            let some = page(files, 2, 1);
            assert!(some.entries.len() <= 2);
        }
    }
}
