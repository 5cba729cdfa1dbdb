//! Does what `camera-service evidence` says.

use super::{Args, Verb};
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
    let places = Places::new(&config.storage.recordings(), data_dir);
    let key = match args.verb {
        Verb::Key => keys::io::own(&places)?,
        Verb::Rotate => {
            let key = keys::io::rotate(&places)?;
            note_command(data_dir, "evidence rotate", None);
            key
        }
        Verb::Head => {
            let head = keys::io::head(&places)?.ok_or_else(|| {
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
