//! What a control's name tells: how programs call it, and which control rules which.
//!
//! V4L2 says *that* a control is inactive, never *why*; its automatic mode can only be guessed from
//! the names, so nothing but sentences and the order of setting may depend on the guess.

use super::{Control, Range};

/// The name for programs, made as `v4l2-ctl` makes it: letters and digits in lower case, and one
/// underscore for whatever lies between them.
#[must_use]
pub fn variable(label: &str) -> String {
    label
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join("_")
        .to_ascii_lowercase()
}

/// [`variable`], unlike every name in `taken`; of use even where the driver gives no name.
#[must_use]
pub fn unique(label: &str, id: u32, taken: &[String]) -> String {
    let plain = match variable(label) {
        empty if empty.is_empty() => format!("control_{id:08x}"),
        name => name,
    };
    if !taken.contains(&plain) {
        return plain;
    }
    // As many candidates as names, and one more: one of them is free.
    (2..taken.len() + 3)
        .map(|n| format!("{plain}_{n}"))
        .find(|name| !taken.contains(name))
        .unwrap_or(plain)
}

/// Words that say how a value is counted, not what it is about.
const VAGUE: &[&str] = &[
    "absolute",
    "continuous",
    "control",
    "level",
    "mode",
    "preset",
    "relative",
    "time",
    "value",
];

/// Names that no word connects with their automatic mode.
const RULED: &[(&str, &str)] = &[
    ("iris_absolute", "auto_exposure"),
    ("iris_absolute", "exposure_auto"),
    ("analogue_gain", "auto_exposure"),
    ("chroma_gain", "chroma_agc"),
    ("gain", "autogain"),
];

/// Whether a control of this name sets another one by itself while it is on.
#[must_use]
pub fn is_automatic(name: &str) -> bool {
    // The priority of automatic exposure chooses a kind of it and rules nothing.
    !name.ends_with("_priority")
        && name
            .split('_')
            .any(|word| matches!(word, "auto" | "automatic" | "autogain" | "agc"))
}

/// The name, among `names`, of the automatic mode that probably rules the control `ruled`.
#[must_use]
pub fn ruler<'a>(ruled: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let about = |name: &str, word: &str| name.split('_').any(|w| w == word);
    names
        .into_iter()
        .filter(|name| *name != ruled && is_automatic(name))
        .map(|name| {
            let known = RULED.contains(&(ruled, name));
            let shared = ruled
                .split('_')
                .filter(|word| !VAGUE.contains(word) && about(name, word))
                .count();
            (shared + usize::from(known), name)
        })
        .filter(|(shared, _)| *shared > 0)
        // The first of equals: drivers list an automatic mode before its refinements.
        .reduce(|best, next| if next.0 > best.0 { next } else { best })
        .map(|(_, name)| name)
}

/// What makes `ruler` leave the controls it rules to people: its setting in words.
#[must_use]
pub fn by_hand(ruler: &Control) -> Option<String> {
    match &ruler.range {
        Range::Boolean => Some("false".to_owned()),
        Range::Menu(items) => items
            .iter()
            .find(|(_, item)| item.to_ascii_lowercase().contains("manual"))
            .map(|(_, item)| format!("{item:?}")),
        Range::Integer { .. } | Range::Button => None,
    }
}

/// Puts automatic modes in front of the values they rule; the rest keeps its order.
pub fn in_order<T>(settings: &mut [(String, T)]) {
    settings.sort_by_key(|(name, _)| !is_automatic(name));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_v4l2_ctl_shows() {
        for (label, name) in [
            ("Brightness", "brightness"),
            ("White Balance, Automatic", "white_balance_automatic"),
            ("Exposure Time, Absolute", "exposure_time_absolute"),
            ("LED1 Mode (Logitech)", "led1_mode_logitech"),
            ("  -- Zoom: % --", "zoom"),
            ("Größe", "gr_e"),
            ("!?", ""),
        ] {
            assert_eq!(variable(label), name, "{label:?}");
        }
    }

    #[test]
    fn two_controls_of_one_name_and_one_of_none_can_all_be_reached() {
        let mut taken = Vec::new();
        for label in ["Gain", "Gain", "gain", "Gain 2", "", "\u{1f4f7}"] {
            let name = unique(label, 0x009a_0901, &taken);
            taken.push(name);
        }
        assert_eq!(
            taken,
            [
                "gain",
                "gain_2",
                "gain_3",
                "gain_2_2",
                "control_009a0901",
                "control_009a0901_2"
            ]
        );
    }

    #[test]
    fn the_automatic_mode_behind_an_inactive_control_is_guessed_from_the_names() {
        let webcam = [
            "brightness",
            "hue_automatic",
            "white_balance_automatic",
            "white_balance_temperature",
            "auto_exposure",
            "exposure_time_absolute",
            "exposure_dynamic_framerate",
            "focus_absolute",
            "focus_automatic_continuous",
        ];
        let of = |name| ruler(name, webcam);
        assert_eq!(of("exposure_time_absolute"), Some("auto_exposure"));
        assert_eq!(
            of("white_balance_temperature"),
            Some("white_balance_automatic")
        );
        assert_eq!(of("blue_balance"), Some("white_balance_automatic"));
        assert_eq!(of("focus_absolute"), Some("focus_automatic_continuous"));
        assert_eq!(of("iris_absolute"), Some("auto_exposure"));
        assert_eq!(of("hue"), Some("hue_automatic"));
        assert_eq!(of("brightness"), None);
        assert_eq!(of("zoom_absolute"), None);
    }

    #[test]
    fn older_drivers_names_and_gains_of_their_own_are_guessed_too() {
        let old = ["exposure_auto", "exposure_auto_priority", "gain_automatic"];
        assert_eq!(ruler("exposure_absolute", old), Some("exposure_auto"));
        assert_eq!(ruler("gain", old), Some("gain_automatic"));
        assert_eq!(ruler("gain", ["autogain"]), Some("autogain"));
        assert_eq!(
            ruler("chroma_gain", ["gain_automatic", "chroma_agc"]),
            Some("chroma_agc")
        );
    }

    #[test]
    fn automatic_modes_are_set_before_the_values_they_rule() {
        let mut settings: Vec<_> = [
            "gain",
            "exposure_time_absolute",
            "auto_exposure",
            "autogain",
        ]
        .map(|name| (name.to_owned(), ()))
        .into();
        in_order(&mut settings);
        let names: Vec<_> = settings.iter().map(|(name, ())| name.as_str()).collect();
        assert_eq!(
            names,
            [
                "auto_exposure",
                "autogain",
                "gain",
                "exposure_time_absolute"
            ]
        );
    }
}
