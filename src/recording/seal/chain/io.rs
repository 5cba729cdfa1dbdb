//! Reads a chain, mends what a power cut left of it, appends to it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use ed25519_dalek::SigningKey;
use tracing::{info, warn};

use super::{PART, PARTS, Places, part_name, part_number};
use crate::clock::Wall;
use crate::durable;
use crate::error::{Error, Kind, Result};
use crate::recording::seal::book::Book;
use crate::recording::seal::keys::io as keys;
use crate::recording::seal::record::{
    self, Digest, LONGEST, Line, NOTHING, What, digest, hex, is_torn, written,
};

/// A chain that can be appended to.
#[derive(Debug)]
pub struct Chain {
    places: Places,
    /// What it says.
    pub book: Book,
    parts: Vec<(u64, PathBuf)>,
    /// The file that grows, and its length.
    part: Option<(PathBuf, u64)>,
    key: Option<SigningKey>,
    /// Comes before the next record.
    due: Option<What>,
    /// What was found wrong with it; [`Chain::open`] has said it.
    pub trouble: Option<String>,
    /// It and its key begin with the next record.
    pub fresh: bool,
    /// [`PART`] and [`PARTS`].
    pub(in crate::recording::seal) bounds: (u64, usize),
}

/// The files of a chain in a folder, in order; none when there is no folder.
///
/// # Errors
/// What the system says.
pub fn parts(folder: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let entries = match fs::read_dir(folder) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        // A medium may be hostile: no link and no device is followed.
        let number = entry.file_name().to_str().and_then(part_number);
        if let Some(number) = number.filter(|_| entry.file_type().is_ok_and(|t| t.is_file())) {
            found.push((number, entry.path()));
        }
    }
    found.sort();
    Ok(found)
}

/// The next line, its end included; what is longer than a record comes in pieces.
pub(in crate::recording::seal) fn next_line(
    from: &mut impl BufRead,
    line: &mut Vec<u8>,
) -> io::Result<bool> {
    line.clear();
    from.take(LONGEST as u64).read_until(b'\n', line)?;
    Ok(!line.is_empty())
}

impl Chain {
    /// Reads what is there. Nothing is made before the first record.
    ///
    /// # Errors
    /// `Config` when a file cannot be read; a chain that is damaged is no error.
    pub fn open(places: Places) -> Result<Self> {
        let mut chain = Self {
            key: keys::signer(&places)?,
            book: Book::default(),
            parts: parts(&places.chain).map_err(|e| unusable(&places.chain, e))?,
            part: None,
            due: None,
            trouble: None,
            fresh: false,
            bounds: (PART, PARTS),
            places,
        };
        let head = keys::head(&chain.places)?;
        let head = head.as_deref().map(|line| line.trim_end().as_bytes());
        let marked = head.and_then(|line| {
            let seq = Line::read(line).ok()?.record.seq;
            Some((seq, digest(line)))
        });
        let mut met = marked.is_none();
        for (first, path) in chain.parts.clone() {
            chain
                .read_part(first, &path, marked, &mut met)
                .map_err(|e| unusable(&path, e))?;
        }
        chain.compare(marked, met);
        chain.fresh = chain.book.seq == 0 && chain.due.is_none();
        if let Some(trouble) = &chain.trouble {
            warn!(
                folder = %chain.places.chain.display(),
                trouble,
                "the evidence chain is not as this box left it; keep the medium and run `camera-service verify` on it"
            );
        }
        Ok(chain)
    }

    fn read_part(
        &mut self,
        first: u64,
        path: &Path,
        marked: Option<(u64, Digest)>,
        met: &mut bool,
    ) -> io::Result<()> {
        let mut file = OpenOptions::new().read(true).write(true).open(path)?;
        let last = self.parts.last().is_some_and(|(n, _)| *n == first);
        let mut lines = BufReader::new(&mut file);
        let (mut at, mut line) = (0_u64, Vec::new());
        let mut torn = None;
        while next_line(&mut lines, &mut line)? {
            let Some(whole) = line.strip_suffix(b"\n") else {
                torn = Some(std::mem::take(&mut line));
                break;
            };
            at += line.len() as u64;
            self.take(whole, marked, met);
        }
        drop(lines);
        if let Some(torn) = torn {
            let whole = Line::read(&torn)
                .is_ok_and(|l| l.is_signed() && l.record.prev == hex(&self.book.last));
            if whole && file.metadata()?.len() == at + torn.len() as u64 {
                self.take(&torn, marked, met);
                file.seek(SeekFrom::End(0))?;
                file.write_all(b"\n")?;
                at += torn.len() as u64 + 1;
            } else {
                if last && is_torn(&torn, self.book.seq + 1, &self.book.last) {
                    info!(file = %path.display(), bytes = torn.len(), "the last record was torn by a power cut; it is written anew");
                } else {
                    self.complain(format!("{} ends in what is no record", path.display()));
                }
                file.set_len(at)?;
            }
            file.sync_all()?;
        }
        if last {
            self.part = Some((path.to_owned(), at));
        }
        Ok(())
    }

    fn take(&mut self, line: &[u8], marked: Option<(u64, Digest)>, met: &mut bool) {
        let of = digest(line);
        match Line::read(line) {
            Ok(read) => {
                let seq = read.record.seq;
                if marked == Some((seq, of)) {
                    *met = true;
                } else if marked.is_none_or(|(head, _)| seq > head) && !read.is_signed() {
                    // What is older hangs on the newest record by its digest.
                    self.complain(format!("record {seq} is not signed by the key it names"));
                }
                if let Err(what) = self.book.take(&read.record, of) {
                    self.complain(what);
                }
            }
            Err(what) => {
                self.book.last = of;
                self.complain(format!(
                    "the line after record {} is none: {what}",
                    self.book.seq
                ));
            }
        }
    }

    fn complain(&mut self, what: String) {
        self.trouble.get_or_insert(what);
    }

    /// What the data partition remembers, against what is on the medium.
    fn compare(&mut self, marked: Option<(u64, Digest)>, met: bool) {
        let (have, empty) = (self.book.seq, self.book.last == NOTHING);
        let signer = self.key.as_ref().map(|key| written(&key.verifying_key()));
        let lost = marked.and_then(|(seq, _)| (seq > have).then_some([have + 1, seq]));
        let next = keys::read(&self.places.key()).ok().flatten();
        let next = next.filter(|next| {
            let key = Some(written(&next.verifying_key()));
            key != signer && key == self.book.key
        });
        let rotated = next.is_some();
        if let Some(next) = next {
            // The record was written and the power failed before the former key was removed.
            if let Err(error) = keys::handed_over(&self.places, &next) {
                warn!(%error, "the former signing key stays where it is");
            }
            self.key = Some(next);
        }
        let why = if let Some([from, to]) = lost {
            format!("records {from} to {to} are not on this medium")
        } else if !met {
            "the newest record that this box remembers is not in the chain".to_owned()
        } else if empty || rotated || self.book.key == signer {
            return;
        } else if signer.is_none() {
            "the private key is gone".to_owned()
        } else {
            "the chain was signed by another key".to_owned()
        };
        self.complain(why.clone());
        self.due = Some(What::Break { why, lost });
    }

    /// Appends records; comes back when they are on the medium.
    ///
    /// # Errors
    /// `Transient` or `Config` when they are not; then none of them counts.
    pub fn append(&mut self, whats: Vec<What>, at: Wall) -> Result<()> {
        let mut all: Vec<What> = self.due.iter().cloned().collect();
        let former = keys::read(&self.places.former_key())?;
        let rotates = former.is_some();
        let key = match self.key.clone().or(former) {
            Some(key) => key,
            None => keys::own(&self.places)?,
        };
        let next = match rotates {
            true => Some(keys::own(&self.places)?),
            false => None,
        };
        let next = next.filter(|next| next.verifying_key() != key.verifying_key());
        if let Some(next) = &next {
            all.push(What::Rotate {
                next: written(&next.verifying_key()),
            });
        }
        self.key = Some(key);
        let turn = all.len();
        all.extend(whats);
        self.write(&all[..turn], at)?;
        self.due = None;
        if let Some(next) = next {
            self.key = Some(next.clone());
            keys::handed_over(&self.places, &next)?;
            info!("the evidence chain is signed by the next key from now on");
        }
        self.write(&all[turn..], at)?;
        self.fresh = false;
        let key = self.key.as_ref().map(SigningKey::verifying_key);
        if let Some(Err(error)) = key.map(|key| keys::publish(&key, &self.places.public())) {
            warn!(%error, "the public key is not beside the chain");
        }
        self.prune(at)
    }

    fn write(&mut self, whats: &[What], at: Wall) -> Result<()> {
        let Some(key) = self.key.clone().filter(|_| !whats.is_empty()) else {
            return Ok(());
        };
        let (mut seq, mut prev) = (self.book.seq, self.book.last);
        let (mut text, mut lines) = (Vec::new(), Vec::new());
        for what in whats {
            if let What::Break {
                lost: Some([_, to]),
                ..
            } = what
            {
                seq = *to;
            }
            seq += 1;
            let line = record::sign(&key, seq, &prev, at, what.clone())
                .map_err(|e| Error::new(Kind::Internal, format!("cannot seal: {e}")))?;
            prev = digest(&line);
            text.extend_from_slice(&line);
            text.push(b'\n');
            lines.push(line);
        }
        if self
            .part
            .as_ref()
            .is_none_or(|(_, length)| *length >= self.bounds.0)
        {
            self.begin_part(seq + 1 - lines.len() as u64)
                .map_err(|e| unusable(&self.places.chain, e))?;
        }
        let Some((path, length)) = &mut self.part else {
            return Ok(());
        };
        // Opened for each record: a medium on which nothing is written can be unmounted, and nothing is written beneath it.
        let mut file = OpenOptions::new()
            .write(true)
            .open(&*path)
            .map_err(|e| unusable(path, e))?;
        let written = file
            .seek(SeekFrom::Start(*length))
            .and_then(|_| file.write_all(&text))
            .and_then(|()| file.sync_data());
        if let Err(error) = written {
            // What was written of it must not stand before the next record.
            if let Err(error) = file.set_len(*length) {
                warn!(%error, "half a record may stand at the end of the evidence chain until the next start");
                self.part = None;
            }
            return Err(unusable(&self.places.chain, error));
        }
        *length += text.len() as u64;
        for line in &lines {
            if let Ok(read) = Line::read(line) {
                // Our own record follows on what we took before; a break says so itself.
                let _ = self.book.take(&read.record, digest(line));
            }
        }
        if let Some(last) = lines.last()
            && let Err(error) = durable::replace(&self.places.head(), last, 0o600)
        {
            warn!(%error, file = %self.places.head().display(), "a loss of the newest evidence would not be noticed");
        }
        Ok(())
    }

    fn begin_part(&mut self, first: u64) -> io::Result<()> {
        let folder = &self.places.chain;
        fs::create_dir_all(folder)?;
        let path = folder.join(part_name(first));
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .open(&path)?;
        File::open(folder)?.sync_all()?;
        if let Some(above) = folder.parent() {
            File::open(above)?.sync_all()?;
        }
        file.sync_all()?;
        self.part = Some((path.clone(), 0));
        self.parts.retain(|(_, other)| *other != path);
        self.parts.push((first, path));
        Ok(())
    }

    /// Removes the oldest files of the chain when none of their recordings is left.
    fn prune(&mut self, at: Wall) -> Result<()> {
        while let [(_, oldest), (next, follower), ..] = self.parts.as_slice() {
            let (oldest, next, follower) = (oldest.clone(), *next, follower.clone());
            if self.book.pruned + 1 < next {
                if self.parts.len() <= self.bounds.1 || self.book.needed_from() < next {
                    break;
                }
                let mut line = Vec::new();
                let read = File::open(&follower)
                    .and_then(|file| next_line(&mut BufReader::new(file), &mut line));
                read.map_err(|e| unusable(&follower, e))?;
                let Ok(first) = Line::read(line.strip_suffix(b"\n").unwrap_or(&line)) else {
                    break;
                };
                let prune = What::Prune {
                    through: next - 1,
                    sha256: first.record.prev,
                };
                self.write(&[prune], at)?;
            }
            match fs::remove_file(&oldest) {
                Err(e) if e.kind() != ErrorKind::NotFound => return Err(unusable(&oldest, e)),
                _ => {}
            }
            self.parts.remove(0);
        }
        Ok(())
    }

    /// The public key that signs, once there is one.
    #[must_use]
    pub fn public(&self) -> Option<String> {
        self.key.as_ref().map(|key| written(&key.verifying_key()))
    }
}

fn unusable(path: &Path, source: io::Error) -> Error {
    let kind = match source.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Kind::Transient,
        _ => Kind::Config,
    };
    Error::new(
        kind,
        format!("cannot keep the evidence in {}", path.display()),
    )
    .because(source)
    .action("let the service's user own it, and look at the medium with df and dmesg")
}

#[cfg(test)]
mod tests;
