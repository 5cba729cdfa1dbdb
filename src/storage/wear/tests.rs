use proptest::prelude::*;

use super::*;

const VM: &str = include_str!("fixtures/diskstats_vm.txt");
const BOARD: &str = include_str!("fixtures/diskstats_board.txt");

fn at(secs: u64) -> Mono {
    Mono::from_nanos(secs * 1_000_000_000)
}

fn partition(health: Health, days: Option<u64>) -> Partition {
    Partition {
        holds: vec!["recordings"],
        disk: disk_named(BOARD, "mmcblk0p11"),
        lately: Lately::default(),
        health,
        days,
    }
}

#[test]
fn a_partition_is_found_by_its_number_with_the_bytes_that_were_written() {
    // Kernels before 4.18 tell fewer fields.
    let found = disk(BOARD, 179, 11).unwrap();
    assert_eq!(
        (found.name.as_str(), found.written),
        ("mmcblk0p11", 6152 * 512)
    );
    assert_eq!(disk_named(BOARD, "mmcblk0").unwrap().written, 24_721 * 512);
    let found = disk(VM, 254, 0).unwrap();
    assert_eq!((found.name.as_str(), found.written > 0), ("vda", true));
    assert_eq!(disk(BOARD, 179, 9), None);
}

#[test]
fn a_file_system_without_a_number_is_found_by_its_source() {
    let mounts = "22 27 0:21 / /proc rw,relatime - proc proc rw\n\
        36 35 0:35 /@ / rw,noatime shared:1 - btrfs /dev/mmcblk0p2 rw,space_cache=v2\n";
    assert_eq!(source(mounts, 0, 35), Some("/dev/mmcblk0p2"));
    assert_eq!(source(mounts, 0, 21), None);
}

#[test]
fn an_emmc_tells_how_worn_it_is_and_nothing_else_does() {
    let emmc = |life, eol| Health::read(Some("MMC\n"), life, eol);
    let worn = |step, spare| Health::Emmc { step, spare };
    assert_eq!(
        emmc(Some("0x01 0x03\n"), Some("0x01\n")),
        worn(3, Spare::Normal)
    );
    assert_eq!(
        emmc(Some("0x0b 0x01\n"), Some("0x03\n")),
        worn(11, Spare::Urgent)
    );
    for silent in [None, Some(""), Some("0x00 0x00\n"), Some("0x0c")] {
        assert!(
            matches!(emmc(silent, None), Health::Unknown(_)),
            "{silent:?}"
        );
    }
    let card = Health::read(Some("SD\n"), None, None);
    assert_eq!(
        card,
        Health::Unknown("SD cards do not tell how worn they are")
    );
    assert_eq!(
        partition(card, None).words(),
        "how long it will last is unknown: SD cards do not tell how worn they are"
    );
    assert!(
        partition(worn(11, Spare::Urgent), Some(0))
            .words()
            .contains("replace it")
    );
    assert!(
        partition(worn(2, Spare::Normal), Some(900))
            .words()
            .contains("some 900 days")
    );
    assert!(
        partition(worn(2, Spare::Normal), None)
            .words()
            .contains("once a whole")
    );
}

#[test]
fn an_hour_is_looked_back_on_and_no_longer() {
    let mut window = Window::default();
    for minute in 0..=200_u64 {
        window.take(at(minute * 60), minute * 1000, minute * 900);
    }
    let lately = window.take(at(200 * 60), 200_000, 180_000);
    assert_eq!(lately.span, HOUR);
    assert_eq!((lately.written, lately.payload), (60_000, 54_000));
    assert_eq!(window.take(at(201 * 60), 10, 180_100), Lately::default());
}

#[test]
fn the_families_of_two_partitions_are_told_together() {
    let all = samples(&[
        partition(Health::Unknown("x"), None),
        partition(Health::Unknown("x"), None),
    ]);
    let names: Vec<&str> = all.iter().map(|sample| sample.name).collect();
    let mut sorted = names.clone();
    sorted.sort_unstable();
    assert_eq!((names.len(), &names), (6, &sorted));
}

proptest! {
    #[test]
    fn no_text_of_a_kernel_brings_the_readers_down(text in "\\PC{0,80}|([0-9a-z]{1,22} ?|\n){0,40}", number in any::<u64>()) {
        let found = disk(&text, number, 0);
        prop_assert!(found.is_none_or(|disk| text.contains(&disk.name)));
        let named = disk_named(&text, "sda");
        prop_assert!(named.is_none_or(|disk| disk.name == "sda"));
        prop_assert!(source(&text, 0, number).is_none_or(|from| from.starts_with("/dev/")));
        if let Health::Emmc { step, .. } = Health::read(Some("MMC"), Some(&text), Some(&text)) {
            prop_assert!((1..=11).contains(&step));
        }
    }

    #[test]
    fn a_window_never_tells_more_than_an_hour_nor_more_than_was_written(
        steps in proptest::collection::vec((0_u64..7200, 0_u64..1 << 50, 0_u64..1 << 50), 1..80),
    ) {
        let mut window = Window::default();
        let (mut now, mut written, mut payload) = (0, 0, 0);
        for (secs, more, kept) in steps {
            (now, written, payload) = (now + secs, written + more, payload + kept);
            let lately = window.take(at(now), written, payload);
            prop_assert!(lately.written <= written && lately.payload <= payload);
            prop_assert!(lately.span < HOUR + Duration::from_secs(7200));
        }
        prop_assert!(window.0.len() <= 81);
    }
}
