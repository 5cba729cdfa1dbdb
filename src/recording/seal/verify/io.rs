//! A medium that lies on the disk.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use super::{Found, Tree};
use crate::recording::EXTENSION;
use crate::recording::seal::chain::io::parts;
use crate::recording::seal::chain::{FOLDER, part_name};
use crate::recording::seal::io::digest_file;
use crate::recording::seal::record::Digest;
use crate::storage::names::Stem;

/// The recordings' folder of a box, or a copy of it.
#[derive(Debug)]
pub struct Medium {
    root: PathBuf,
}

impl Medium {
    /// The one at `root`.
    #[must_use]
    pub fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
        }
    }
}

impl Tree for Medium {
    fn parts(&self) -> io::Result<Vec<u64>> {
        let found = parts(&self.root.join(FOLDER))?;
        Ok(found.into_iter().map(|(number, _)| number).collect())
    }

    fn part(&self, number: u64) -> io::Result<Box<dyn BufRead + '_>> {
        let path = self.root.join(FOLDER).join(part_name(number));
        Ok(Box::new(BufReader::new(File::open(path)?)))
    }

    fn files(&self) -> io::Result<Vec<Found>> {
        let mut found = Vec::new();
        for folder in fs::read_dir(&self.root)? {
            let folder = folder?;
            let device = folder.file_name().to_string_lossy().into_owned();
            if device.starts_with('.') || !folder.file_type()?.is_dir() {
                continue;
            }
            for file in fs::read_dir(folder.path())? {
                let file = file?;
                let name = file.file_name().to_string_lossy().into_owned();
                let stem = name
                    .strip_suffix(EXTENSION)
                    .and_then(|rest| rest.strip_suffix('.'))
                    .filter(|stem| stem.parse::<Stem>().is_ok());
                let meta = file.metadata()?;
                // A link is no recording: where one stands in the place of one, that one is missing.
                if let Some(stem) = stem.filter(|_| meta.is_file()) {
                    found.push(Found {
                        device: device.clone(),
                        stem: stem.to_owned(),
                        size: meta.len(),
                    });
                }
            }
        }
        Ok(found)
    }

    fn digest(&self, device: &str, stem: &str) -> io::Result<Digest> {
        let path = self.root.join(device).join(format!("{stem}.{EXTENSION}"));
        let digest = digest_file(&path, None, &AtomicBool::new(false))?;
        digest.ok_or_else(|| io::ErrorKind::Interrupted.into())
    }
}
