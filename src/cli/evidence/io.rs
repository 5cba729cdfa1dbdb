//! Does what `camera-service evidence` says.

use super::{Args, Verb, Which};
use crate::access::audit::io::note_command;
use crate::access::io::become_owner;
use crate::config::{self, Config};
use crate::error::{Error, Kind, Result};
use crate::recording::seal::chain::Places;
use crate::recording::seal::keys::{self, public_pem};

/// `camera-service evidence`.
pub(in crate::cli) fn run(args: &Args) -> Result<()> {
    let config = config::io::read(Config::default(), args.config.as_deref())?;
    let data_dir = &config.storage.data_dir;
    become_owner(data_dir)?;
    let medium = Places::new(&config.storage.recordings(), data_dir);
    let wanted = config.storage.fallback_recordings();
    // Its key and its newest record are known where it is not configured any more.
    let folder = wanted.clone().unwrap_or_default();
    let fallback = Places::of_fallback(&folder, data_dir);
    let of = |which: &Which| match which.fallback {
        true => &fallback,
        false => &medium,
    };
    let key = match &args.verb {
        Verb::Key(which) => keys::io::signs(of(which))?,
        Verb::Rotate => {
            // A chain that has begun must be handed over when it goes on, and one may begin at any moment.
            let both = wanted.is_some() || keys::io::head(&fallback)?.is_some();
            let key = keys::io::rotate(&medium, both.then_some(&fallback))?;
            note_command(data_dir, "evidence rotate", None);
            key
        }
        Verb::Head(which) => {
            let head = keys::io::head(of(which))?.ok_or_else(|| {
                Error::new(Kind::Gone, "there is no record yet").action("make a recording first")
            })?;
            println!("{}", head.trim_end());
            return Ok(());
        }
    };
    let pem = public_pem(&key)
        .map_err(|e| Error::new(Kind::Internal, format!("cannot write the key: {e}")))?;
    print!("{pem}");
    Ok(())
}
