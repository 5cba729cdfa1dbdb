//! Which boot this is (`/proc/sys/kernel/random/boot_id`, random(4)): moments on the monotonic clock of another mean nothing.

/// The kernel's name of this boot, letters and digits; `None`: it tells none.
#[must_use]
pub fn id() -> Option<String> {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let id: String = text.chars().filter(char::is_ascii_alphanumeric).collect();
    (!id.is_empty()).then_some(id)
}

#[cfg(test)]
mod tests {
    #[test]
    fn it_stays_the_same_until_the_next_boot() {
        let id = super::id().unwrap();
        assert_eq!((id.len(), super::id()), (32, Some(id)));
    }
}
