//! `camera-service evidence`.

pub(super) mod io;

use std::path::PathBuf;

use clap::Subcommand;

/// What is asked about the evidence.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    pub(super) verb: Verb,
    /// The configuration that names the data folder
    #[arg(long, short, global = true, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
}

/// What of it.
#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Print the public key (PEM); it is made at the first use, with its private half
    Key(Which),
    /// Print the newest record: kept elsewhere, `verify --head` sees when newest evidence is cut off
    Head(Which),
    /// Make another key, which takes over with the next record of each chain, and print its public half
    Rotate,
}

/// Which chain is asked about.
#[derive(Debug, clap::Args)]
pub(super) struct Which {
    /// Of the chain in the fallback (storage.fallback_path), not of that on the recordings' medium
    #[arg(long)]
    pub(super) fallback: bool,
}
