use super::*;

/// A disk with room for so many bytes.
struct Disk {
    room: usize,
    holds: Vec<u8>,
}

impl io::Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = bytes.len().min(self.room).min(7);
        if count == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.room -= count;
        self.holds.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_line_cut_by_a_full_disk_is_known_and_counted_as_lost() {
    for (room, torn, lost) in [(0, false, 2), (3, true, 2), (10, false, 1), (12, true, 1), (20, false, 0)] {
        let mut disk = Disk { room, holds: Vec::new() };
        let written = put(&mut disk, b"{\"first\"}\n{\"other\"}\n");
        assert_eq!(written.done, disk.holds);
        assert_eq!(written.outcome.is_err(), room < 20);
        assert_eq!((written.is_torn(false), written.lines_lost()), (torn, lost), "room for {room}");
    }
}

#[test]
fn a_log_that_takes_nothing_stays_torn_if_it_was() {
    let written = put(&mut Disk { room: 0, holds: Vec::new() }, b"\n{}\n");
    assert!(written.is_torn(true));
    assert!(!written.is_torn(false));
}
