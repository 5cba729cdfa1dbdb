//! `camera-service revoke`.

use std::path::PathBuf;

/// What to revoke.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    pub(super) what: What,
    /// The configuration that names the data folder
    #[arg(long, short, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
}

/// One of them.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub(super) struct What {
    /// The id of a token, as refresh_token names it
    #[arg(long, value_name = "ID")]
    pub(super) token_id: Option<String>,
    /// Every token of this user that was made until now
    #[arg(long, value_name = "NAME")]
    pub(super) user: Option<String>,
    /// The token itself; - reads it from standard input, where other users of this machine cannot see it
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub(super) token: Option<String>,
}
