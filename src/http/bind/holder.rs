//! Who listens on a port, read from `/proc/net/tcp` and `/proc/net/tcp6` (proc(5)).

/// `TCP_LISTEN` of the kernel's `enum tcp_state`.
const LISTEN: &str = "0A";

/// The inodes of the sockets that listen on `port`, given the text of one of the two files.
#[must_use]
pub fn listening_inodes(table: &str, port: u16) -> Vec<u64> {
    table
        .lines()
        .skip(1)
        .filter_map(|line| {
            // sl local remote st tx:rx tr:when retrnsmt uid timeout inode …
            let mut fields = line.split_ascii_whitespace().skip(1);
            let (_, local_port) = fields.next()?.rsplit_once(':')?;
            let state = fields.nth(1)?;
            let inode = fields.nth(5)?.parse().ok()?;
            (state == LISTEN && u16::from_str_radix(local_port, 16) == Ok(port)).then_some(inode)
        })
        .collect()
}

/// The inode in a link of `/proc/<pid>/fd`, such as `socket:[12345]`.
#[must_use]
pub fn socket_inode(link: &str) -> Option<u64> {
    link.strip_prefix("socket:[")?
        .strip_suffix(']')?
        .parse()
        .ok()
}

/// A command line as `/proc/<pid>/cmdline` holds it, made readable and short.
#[must_use]
pub fn command(cmdline: &[u8]) -> String {
    let text = String::from_utf8_lossy(cmdline);
    text.trim_end_matches('\0')
        .replace('\0', " ")
        .chars()
        .filter(|c| !c.is_control())
        .take(80)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TABLE: &str = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F43 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 52143 1 0000000000000000 100 0 0 10 0
   1: 0100007F:1F43 0100007F:9C40 01 00000000:00000000 00:00000000 00000000  1000        0 60001 1 0000000000000000 20 4 30 10 -1
   2: 00000000:1F42 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 777 1 0000000000000000 100 0 0 10 0
";
    const TABLE6: &str = "\
  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000000000000000000000000000:1F42 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 888 1 0000000000000000 100 0 0 10 0
";

    #[test]
    fn only_listeners_on_the_port_are_found_in_both_tables() {
        assert_eq!(listening_inodes(TABLE, 8003), [52143]);
        assert_eq!(listening_inodes(TABLE, 8002), [777]);
        assert_eq!(listening_inodes(TABLE6, 8002), [888]);
        assert!(listening_inodes(TABLE, 80).is_empty());
    }

    #[test]
    fn links_and_command_lines_are_read_as_the_kernel_writes_them() {
        assert_eq!(socket_inode("socket:[777]"), Some(777));
        assert_eq!(socket_inode("pipe:[777]"), None);
        assert_eq!(socket_inode("/dev/null"), None);
        assert_eq!(command(b"mediamtx\0/etc/m.yml\0"), "mediamtx /etc/m.yml");
    }

    proptest! {
        #[test]
        fn any_table_is_read_without_panic(text in "(.|\n){0,300}", port: u16) {
            let _ = listening_inodes(&text, port);
        }
    }
}
