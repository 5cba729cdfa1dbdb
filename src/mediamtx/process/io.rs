//! The thread that owns the child: spawns it, hears its words, waits for its end, sends its signals.
//!
//! A plain thread and no task: the kernel kills the child when the *thread* that spawned it ends
//! ([`die_with_parent`]), and the threads of a runtime come and go. This one ends after its child.

use std::collections::VecDeque;
use std::fs;
use std::io::{self, BufRead, BufReader, PipeReader, Read};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{self, Signal as Unix};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;
use tracing::Level;

use super::life::{Input, Life, Order, ProcessState, Signal};
use super::words::{self, Flood, LONGEST_LINE, Verdict};
use crate::clock;
use crate::error::{Error, Kind, Result};
use crate::mediamtx::settings::{Settings, render};
use crate::sys::pdeathsig::die_with_parent;

/// Error lines kept to explain a death.
const LAST_WORDS: usize = 8;
/// A dead child closes its pipe at once, unless something it started still holds it.
const LAST_WORDS_WITHIN: Duration = Duration::from_millis(200);
/// Bytes; these threads do little.
const STACK: usize = 256 * 1024;

/// What to run.
#[derive(Debug, Clone)]
pub struct Recipe {
    /// The binary.
    pub binary: PathBuf,
    /// Its configuration file.
    pub config: PathBuf,
    /// What is in that file; explains deaths.
    pub settings: Settings,
}

enum Event {
    Tell(Input),
    /// What the configuration file says from now on.
    Settings(Box<Settings>),
    Error(String),
    /// The process with this id has ended and waits to be reaped.
    Ended(u32),
    /// The process with this id, and whoever it may have started, has closed its mouth.
    Silent(u32),
    /// Nobody holds a [`Process`] any more.
    Abandoned,
}

/// The child. It ends when this is dropped.
#[derive(Debug)]
pub struct Process {
    events: Sender<Event>,
}

impl Process {
    /// Starts the thread; the child follows at [`Process::tell`] with [`Input::Start`].
    ///
    /// `changed` is called on that thread with every new state; it must not block.
    pub fn new(recipe: Recipe, changed: impl Fn(&ProcessState) + Send + 'static) -> Result<Self> {
        let (events, inbox) = channel();
        let keeper = Keeper {
            recipe,
            life: Life::default(),
            child: None,
            errors: VecDeque::new(),
            silent: None,
            events: events.clone(),
        };
        thread::Builder::new()
            .name("mediamtx".to_owned())
            .stack_size(STACK)
            .spawn(move || keeper.run(&inbox, changed))
            .map_err(|e| {
                Error::new(Kind::Internal, "cannot start the thread of MediaMTX").because(e)
            })?;
        Ok(Self { events })
    }

    /// Feeds the child's life: start, stop, restart, or that its API answered.
    pub fn tell(&self, input: Input) {
        // The thread ends only after this handle is gone.
        let _ = self.events.send(Event::Tell(input));
    }

    /// Writes the configuration file anew; a running MediaMTX reads it by itself, the next one finds it.
    pub fn settings(&self, settings: Settings) {
        // As above.
        let _ = self.events.send(Event::Settings(Box::new(settings)));
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.events.send(Event::Abandoned);
    }
}

struct Keeper {
    recipe: Recipe,
    life: Life,
    child: Option<Child>,
    errors: VecDeque<String>,
    /// The last process that closed its mouth; a dying one does so a moment before it can be reaped.
    silent: Option<u32>,
    events: Sender<Event>,
}

impl Keeper {
    fn run(mut self, inbox: &Receiver<Event>, changed: impl Fn(&ProcessState)) {
        let mut abandoned = false;
        while !(abandoned && self.child.is_none()) {
            let before = self.life.state().clone();
            let input = match self.next(inbox) {
                Event::Tell(input) => input,
                Event::Settings(settings) => {
                    self.recipe.settings = *settings;
                    let text = render(&self.recipe.settings);
                    if let Err(error) = write_config(&self.recipe.config, &text) {
                        tracing::warn!(%error, "MediaMTX does not learn of its new configuration before it starts again");
                    }
                    continue;
                }
                Event::Error(text) => {
                    self.errors.truncate(LAST_WORDS - 1);
                    self.errors.push_front(text);
                    continue;
                }
                Event::Ended(pid) if self.child.as_ref().is_some_and(|c| c.id() == pid) => {
                    Input::Died {
                        why: self.bury(inbox),
                    }
                }
                Event::Silent(pid) => {
                    self.silent = Some(pid);
                    continue;
                }
                Event::Ended(_) => continue,
                Event::Abandoned => {
                    abandoned = true;
                    Input::Stop
                }
            };
            self.feed(input);
            if *self.life.state() != before {
                changed(self.life.state());
            }
        }
    }

    fn next(&self, inbox: &Receiver<Event>) -> Event {
        let received = match self.life.wake() {
            Some(at) => inbox.recv_timeout(at.since(clock::mono())),
            None => inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match received {
            Ok(event) => event,
            Err(RecvTimeoutError::Timeout) => Event::Tell(Input::Timeout),
            // Cannot be: we hold a sender ourselves.
            Err(RecvTimeoutError::Disconnected) => Event::Abandoned,
        }
    }

    /// Feeds the machine and does what it orders, until it orders nothing.
    fn feed(&mut self, input: Input) {
        let mut order = self.life.handle(input, clock::mono());
        while let Some(now) = order {
            let answer = match now {
                Order::Send(signal) => {
                    self.send(signal);
                    return;
                }
                Order::Spawn => match self.spawn() {
                    Ok(pid) => Input::Spawned { pid },
                    Err(e) => Input::Died {
                        why: format!("cannot start {}: {e}", self.recipe.binary.display()),
                    },
                },
            };
            if let Input::Died { why } = &answer {
                tracing::error!("{why}");
            }
            order = self.life.handle(answer, clock::mono());
        }
    }

    fn spawn(&mut self) -> io::Result<u32> {
        // Written anew each time: whoever tidied the folder up must not keep MediaMTX down.
        write_config(&self.recipe.config, &render(&self.recipe.settings))
            .map_err(io::Error::other)?;
        let (words, pen) = io::pipe()?;
        let mut command = Command::new(&self.recipe.binary);
        command
            .arg(&self.recipe.config)
            .stdin(Stdio::null())
            .stdout(pen.try_clone()?)
            .stderr(pen)
            // Its own group: a Ctrl-C at our terminal is ours to handle, in order.
            .process_group(0);
        die_with_parent(&mut command);
        let child = command.spawn()?;
        let pid = child.id();
        self.child = Some(child);
        self.errors.clear();
        let (to, told) = (self.events.clone(), self.events.clone());
        let spawned = thread::Builder::new()
            .name("mediamtx-words".to_owned())
            .stack_size(STACK)
            .spawn(move || hear(words, pid, &to))
            .and_then(|_| {
                thread::Builder::new()
                    .name("mediamtx-wait".to_owned())
                    .stack_size(STACK)
                    .spawn(move || wait(pid, &told))
            });
        if let Err(e) = spawned {
            // Nobody would hear of its end: end it now.
            if let Some(mut child) = self.child.take() {
                let _ = child.kill();
                let _ = child.wait();
            }
            return Err(e);
        }
        tracing::info!(pid, "MediaMTX started");
        Ok(pid)
    }

    fn send(&self, signal: Signal) {
        let signal = match signal {
            Signal::Interrupt => Unix::SIGINT,
            Signal::Terminate => Unix::SIGTERM,
            Signal::Kill => Unix::SIGKILL,
        };
        // Until we reap it nobody else can get its number, so this never hits a stranger.
        if let Some(pid) = self.child.as_ref().and_then(|c| i32::try_from(c.id()).ok()) {
            let _ = signal::kill(Pid::from_raw(pid), signal);
        }
    }

    /// Reaps the child and says why it ended.
    fn bury(&mut self, inbox: &Receiver<Event>) -> String {
        let pid = self.child.as_ref().map(Child::id);
        let ended = self.child.take().map_or_else(
            || "unknown".to_owned(),
            |mut child| {
                child
                    .wait()
                    .map_or_else(|e| e.to_string(), |s| s.to_string())
            },
        );
        let asked = matches!(self.life.state(), ProcessState::Stopping { .. });
        if asked {
            tracing::info!("MediaMTX ended as asked ({ended})");
            return ended;
        }
        // Its last words may still be on their way from the thread that hears them.
        let mut later = Vec::new();
        while self.silent != pid {
            match inbox.recv_timeout(LAST_WORDS_WITHIN) {
                Ok(Event::Error(text)) => self.errors.push_front(text),
                Ok(Event::Silent(of)) => self.silent = Some(of),
                Ok(other) => later.push(other),
                Err(_) => break,
            }
        }
        for event in later {
            let _ = self.events.send(event);
        }
        let errors: Vec<String> = self.errors.iter().rev().cloned().collect();
        let why = words::why(&ended, &errors, &self.recipe.settings);
        tracing::error!("{why}");
        why
    }
}

/// Waits for the end without reaping, so that the number stays taken until the keeper has seen it.
fn wait(pid: u32, to: &Sender<Event>) {
    if let Ok(raw) = i32::try_from(pid) {
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT;
        while waitid(Id::Pid(Pid::from_raw(raw)), flags) == Err(nix::errno::Errno::EINTR) {}
    }
    let _ = to.send(Event::Ended(pid));
}

/// Passes its words on to our log until it closes its mouth.
fn hear(words: PipeReader, pid: u32, to: &Sender<Event>) {
    log_all(words, to);
    let _ = to.send(Event::Silent(pid));
}

fn log_all(words: PipeReader, to: &Sender<Event>) {
    let mut flood = Flood::default();
    let mut words = BufReader::new(words);
    let mut line = Vec::with_capacity(256);
    loop {
        line.clear();
        let bound = LONGEST_LINE as u64;
        match words.by_ref().take(bound).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        let line = words::read(&String::from_utf8_lossy(&line));
        if line.level == Level::ERROR {
            let _ = to.send(Event::Error(line.text.clone()));
        }
        match flood.judge(&line.text, clock::mono()) {
            Verdict::Write => write(&line),
            Verdict::WriteAfter(dropped) => {
                tracing::warn!(target: "mediamtx", "{dropped} lines like the next one were not written");
                write(&line);
            }
            Verdict::Drop => {}
        }
    }
}

fn write(line: &words::Line) {
    let text = &line.text;
    match line.level {
        Level::ERROR => tracing::error!(target: "mediamtx", "{text}"),
        Level::WARN => tracing::warn!(target: "mediamtx", "{text}"),
        Level::INFO => tracing::info!(target: "mediamtx", "{text}"),
        _ => tracing::debug!(target: "mediamtx", "{text}"),
    }
}

/// Replaces the file whole, and only when it differs: MediaMTX watches it and reloads on every write.
pub(in crate::mediamtx) fn write_config(path: &Path, text: &str) -> Result<()> {
    if fs::read_to_string(path).is_ok_and(|old| old == text) {
        return Ok(());
    }
    let temporary = path.with_extension(format!("{}.tmp", std::process::id()));
    let written = path
        .parent()
        .map_or(Ok(()), fs::create_dir_all)
        .and_then(|()| fs::write(&temporary, text))
        // Whatever our umask: the user that runs MediaMTX on a box reads it, and no secret is in it.
        .and_then(|()| fs::set_permissions(&temporary, fs::Permissions::from_mode(0o644)))
        .and_then(|()| fs::rename(&temporary, path));
    written.map_err(|e| {
        let _ = fs::remove_file(&temporary);
        Error::new(
            Kind::Config,
            format!("cannot write MediaMTX's configuration {}", path.display()),
        )
        .because(e)
        .action("make its directory writable for the service")
    })
}
