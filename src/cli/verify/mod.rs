//! `camera-service verify`.

pub(super) mod io;

use std::path::PathBuf;

/// What is to be judged, and by what.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The recordings' folder of a box, or a copy of it, with its .evidence folder
    #[arg(value_name = "DIR")]
    pub(super) dir: PathBuf,
    /// The box's public key, as `camera-service evidence key` prints it there
    #[arg(long, value_name = "PUBLIC")]
    pub(super) key: Option<PathBuf>,
    /// The newest record, as `camera-service evidence head` printed it on the box
    #[arg(long, value_name = "FILE")]
    pub(super) head: Option<PathBuf>,
    /// So many records there were at least, as an earlier verify counted
    #[arg(long, value_name = "COUNT")]
    pub(super) records: Option<u64>,
    /// The number of a break in the chain whose cause you know; may be repeated
    #[arg(long, value_name = "RECORD")]
    pub(super) known: Vec<u64>,
    /// Print the whole judgement as one JSON object
    #[arg(long)]
    pub(super) json: bool,
}
