//! A process that has loaded a program.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Instant;

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use shoal_core::Failure;
use shoal_core::functions::{Caller, Groups, Program};
use tokio::io::BufWriter;
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::process::Child;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::task::JoinHandle;
use tokio::time::{interval, timeout};

use crate::answer::{Answer, Applied, Told, encode};
use crate::cache::Lease;
use crate::chunks::{self, Chunk};
use crate::death::Death;
use crate::limits::{
    ANSWERS_MAX, END_TIME_MAX, LINES_TIME_MAX, LOAD_TIME_MAX, LOOK_EVERY, MEMORY_LOOK_EVERY, OUTGOING_MAX,
    PROCESSES_MAX,
};
use crate::lookout::{Lookout, Watched};
use crate::memory;
use crate::progress::{ProgressFile, Running, Watch};
use crate::room::Surroundings;
use crate::said::{Lines, Said, Stream};
use crate::start::{self, Home};
use crate::wire::{self, Frame, request};

/// What is written to a process.
enum Outgoing {
    Program(Vec<u8>),
    Caller(Vec<u8>),
    /// Their number, and where their rows are cut: once unless the function takes a group piece by piece.
    Groups(u64, Groups, Vec<Chunk>),
}

/// A process. Dropping it ends it with all that it has started.
pub(crate) struct Process {
    program: Arc<Program>,
    /// The guardian.
    child: Child,
    outgoing: mpsc::Sender<Outgoing>,
    answers: mpsc::Receiver<io::Result<Answer>>,
    said: Said,
    progress: Arc<ProgressFile>,
    watched: Arc<Watched>,
    surroundings: Arc<dyn Surroundings>,
    /// Processes that the kernel had ended for their memory when this one began with what it is at.
    kills_before: Option<u64>,
    /// Whether the function takes a group piece by piece.
    iterates: bool,
    /// Whether marks of complete messages come: not where the user's code took the streams away.
    marks_lines: bool,
    // Both halves of the socket are in these: it is closed once they are gone.
    _reader: AbortOnDrop,
    _writer: AbortOnDrop,
    _home: Home,
    /// Its own environment is not deleted while it lives.
    _environment: Option<Lease>,
}

/// What every process of a worker is started with.
pub(crate) struct Starter<'a> {
    /// The Python side.
    pub(crate) sources: &'a Path,
    /// Threads that libraries may compute with.
    pub(crate) threads: usize,
    pub(crate) lookout: &'a Arc<Lookout>,
}

/// How a process came to its end, and what it was at.
pub(crate) struct End {
    pub(crate) death: Death,
    pub(crate) running: Option<Running>,
    /// The interpreter's last words.
    pub(crate) complaints: Vec<String>,
    pub(crate) lines: Lines,
}

impl Process {
    /// Starts a process and has it load its program.
    ///
    /// # Errors
    /// What is wrong with the program or with what it runs in.
    pub(crate) async fn start(
        program: Arc<Program>,
        home: Home,
        environment: Option<Lease>,
        by: &Starter<'_>,
    ) -> Result<Self, Failure> {
        let progress = ProgressFile::create(&home.progress()).map_err(|error| unusable(&error))?;
        let (ours, theirs) = channel().map_err(|error| unusable(&error))?;
        let own = environment.as_ref().map(|lease| lease.path.as_path());
        let held = ours.try_clone().map_err(|error| unusable(&error))?;
        let ours = UnixStream::from_std(ours).map_err(|error| unusable(&error))?;
        let Starter { sources, threads, lookout } = *by;
        let mut command =
            start::command(&program, own, sources, &home, threads, theirs, |name| std::env::var_os(name))?;
        let mut child = command.spawn().map_err(|error| start::not_started(&program, &error))?;
        // The command holds the other end of the socket.
        drop(command);
        let watched = lookout.watch(child.id().unwrap_or_default(), held).map_err(|error| unusable(&error))?;
        let said = Said::new();
        if let (Some(output), Some(error)) = (child.stdout.take(), child.stderr.take()) {
            // They end with the process.
            tokio::spawn(said.clone().listen(Stream::Output, output));
            tokio::spawn(said.clone().listen(Stream::Error, error));
        }
        let (reading, writing) = ours.into_split();
        let (outgoing, to_write) = mpsc::channel(OUTGOING_MAX);
        let (read, answers) = mpsc::channel(ANSWERS_MAX);
        let mut process = Self {
            child,
            outgoing,
            answers,
            said,
            iterates: false,
            marks_lines: true,
            _reader: AbortOnDrop(tokio::spawn(read_all(reading, read))),
            _writer: AbortOnDrop(tokio::spawn(write_all(writing, to_write))),
            progress: Arc::new(progress),
            watched,
            kills_before: lookout.surroundings().kills(),
            surroundings: lookout.surroundings(),
            program,
            _home: home,
            _environment: environment,
        };
        process.load().await?;
        Ok(process)
    }

    async fn load(&mut self) -> Result<(), Failure> {
        let program = start::program_json(&self.program, &self._home);
        let written = self.outgoing.try_send(Outgoing::Program(program.to_string().into_bytes()));
        written.map_err(|_| Failure::internal("a process that was just started takes no program"))?;
        let death = match timeout(LOAD_TIME_MAX, self.answers.recv()).await {
            Ok(Some(Ok(Answer::Loaded(versions)))) => {
                tracing::debug!(python = versions.python, pyarrow = versions.pyarrow, "a function is loaded");
                self.iterates = versions.iterates;
                return Ok(());
            }
            Ok(Some(Ok(Answer::Refused(refused)))) => return Err(start::refused(&self.program, refused)),
            Ok(Some(Ok(Answer::Applied(_) | Answer::Told(_)))) => {
                Death::Unintelligible("results of nothing".to_owned())
            }
            Ok(Some(Err(error))) => Death::Unintelligible(error.to_string()),
            Ok(None) => Death::Ended(None),
            Err(_) => Death::TooLong(LOAD_TIME_MAX),
        };
        let End { death, complaints, .. } = self.end(death).await;
        Err(start::ended(&self.program, &death, complaints))
    }

    /// What it has loaded.
    pub(crate) fn program(&self) -> &Program {
        &self.program
    }

    /// Whether it has not ended, as far as is known.
    pub(crate) fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None)) && !self.answers.is_closed()
    }

    /// Where it writes down which group runs.
    pub(crate) fn progress(&self) -> Arc<ProgressFile> {
        Arc::clone(&self.progress)
    }

    /// Whether the function takes a group piece by piece.
    pub(crate) fn iterates(&self) -> bool {
        self.iterates
    }

    /// Tells who calls from now on. Nothing waits to be written then.
    pub(crate) fn is_called_by(&self, caller: &Caller) {
        // One that is gone is told nothing, and its answers end.
        let _ = self.outgoing.try_send(Outgoing::Caller(start::caller_json(caller).to_string().into_bytes()));
    }

    /// Hands groups over to be written; false where it has to be tried again later.
    pub(crate) fn send(&self, sequence: u64, groups: &Groups) -> bool {
        let chunks = if self.iterates { chunks::chunks(groups) } else { chunks::whole(groups) };
        match self.outgoing.try_send(Outgoing::Groups(sequence, groups.clone(), chunks)) {
            // One that is gone takes nothing, and its answers end.
            Ok(()) | Err(TrySendError::Closed(_)) => true,
            Err(TrySendError::Full(_)) => false,
        }
    }

    /// Waits for the next answer, and looks after the process meanwhile: `Err` where there will be none.
    pub(crate) async fn answer(&mut self) -> Result<(Applied, Lines), Box<End>> {
        let (mut watch, mut looks) = (Watch::default(), 0_u32);
        let mut told = Told::default();
        let mut look = interval(LOOK_EVERY);
        let death = loop {
            tokio::select! {
                biased;
                answer = self.answers.recv() => match answer {
                    Some(Ok(Answer::Applied(applied))) => {
                        let lines = self.lines_of(applied.sequence).await;
                        self.kills_before = self.surroundings.kills();
                        return Ok((Applied { told, ..applied }, lines));
                    }
                    // It comes before what it is about, and is lost with that.
                    Some(Ok(Answer::Told(more))) => told = more,
                    Some(Ok(_)) => break Death::Unintelligible("it loads what is loaded".to_owned()),
                    Some(Err(error)) => break Death::Unintelligible(error.to_string()),
                    None => break Death::Ended(None),
                },
                _ = look.tick() => {
                    looks = looks.wrapping_add(1);
                    if let Some(death) = self.look(&mut watch, looks.is_multiple_of(MEMORY_LOOK_EVERY)) {
                        break death;
                    }
                }
            }
        };
        Err(Box::new(self.end(death).await))
    }

    /// Whether it is to be killed, and why.
    fn look(&self, watch: &mut Watch, at_memory: bool) -> Option<Death> {
        let taken = watch.look(self.progress.running(), Instant::now());
        if let Some(limit) = self.program.group_time_max.filter(|limit| taken > *limit) {
            return Some(Death::TooLong(limit));
        }
        let guardian = self.child.id().filter(|_| at_memory)?;
        if memory::processes(guardian) > PROCESSES_MAX {
            return Some(Death::TooManyProcesses(PROCESSES_MAX));
        }
        let limit = self.program.memory_max?;
        memory::above(guardian, limit).map(|bytes| Death::TooMuchMemory(bytes, limit))
    }

    /// What it has said of a message that is answered.
    async fn lines_of(&mut self, sequence: u64) -> Lines {
        if self.marks_lines {
            self.marks_lines = timeout(LINES_TIME_MAX, self.said.complete(sequence)).await.is_ok();
        }
        self.said.take()
    }

    /// Ends it, where it has not ended, and says how that was.
    async fn end(&mut self, death: Death) -> End {
        // What it was at is asked before it is told to end, and is true for ever once it has.
        let running = self.progress.running();
        self._reader.0.abort();
        self._writer.0.abort();
        self.watched.hang_up();
        let status = match timeout(END_TIME_MAX, self.child.wait()).await {
            Ok(status) => status.ok(),
            Err(_) => {
                // A guardian that hangs.
                let _ = self.child.start_kill();
                None
            }
        };
        let death = match (death, self.watched.shortage()) {
            // Whatever it was found at: its socket was shut down under it.
            (Death::Ended(None) | Death::Unintelligible(_), Some(shortage)) => Death::NoRoom(shortage),
            (Death::Ended(None), None) => {
                Death::of_code(status.and_then(code), self.surroundings.kills() > self.kills_before)
            }
            (other, _) => other,
        };
        let _ = timeout(LINES_TIME_MAX, self.said.complete(u64::MAX)).await;
        End { death, running, complaints: self.said.complaints(), lines: self.said.take() }
    }
}

/// A guardian tells of signals as a shell does; it may be killed itself.
pub(crate) fn code(status: ExitStatus) -> Option<i32> {
    use std::os::unix::process::ExitStatusExt;
    status.code().or_else(|| status.signal().map(|signal| 128 + signal))
}

/// Our end of a socket, and the other one as a process's standard input: it is the only way to hand a process one of ours
/// that needs no name.
pub(crate) fn channel() -> io::Result<(std::os::unix::net::UnixStream, Stdio)> {
    let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    Ok((ours, OwnedFd::from(theirs).into()))
}

async fn read_all(mut from: OwnedReadHalf, answers: mpsc::Sender<io::Result<Answer>>) {
    loop {
        let answer = match wire::read(&mut from).await {
            Ok(Some(frame)) => Answer::try_from(frame),
            // It was killed in the middle of an answer as often as between two.
            Ok(None) => return,
            Err(error) if is_end(&error) => return,
            Err(error) => Err(error),
        };
        if answers.send(answer).await.is_err() {
            return;
        }
    }
}

fn is_end(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionReset | UnexpectedEof)
}

async fn write_all(to: OwnedWriteHalf, mut outgoing: mpsc::Receiver<Outgoing>) {
    let mut to = BufWriter::new(to);
    while let Some(outgoing) = outgoing.recv().await {
        // Each frame is made when the one before it is written: memory holds one.
        for frame in frames(outgoing) {
            let Some(frame) = frame else { return };
            // Whoever reads its answers notices that it is gone.
            if wire::write(&mut to, &frame).await.is_err() {
                return;
            }
        }
        if tokio::io::AsyncWriteExt::flush(&mut to).await.is_err() {
            return;
        }
    }
}

/// `None` where a batch has no form in Arrow IPC: the process gets nothing more, and its answers end.
fn frames(outgoing: Outgoing) -> Box<dyn Iterator<Item = Option<Frame>> + Send> {
    let json = |kind, first| Box::new(std::iter::once(Some(Frame { kind, first, ..Frame::default() })));
    match outgoing {
        Outgoing::Program(first) => json(request::PROGRAM, first),
        Outgoing::Caller(first) => json(request::CALLER, first),
        Outgoing::Groups(sequence, groups, chunks) => {
            let following = chunks.len().saturating_sub(1) as u64;
            Box::new(chunks.into_iter().enumerate().map(move |(place, chunk)| {
                let frame = if place == 0 {
                    message(sequence, &groups, &chunk, following)
                } else {
                    following_rows(sequence, &groups, &chunk)
                };
                frame.inspect_err(|error| tracing::error!(%error, "groups cannot be sent to a process")).ok()
            }))
        }
    }
}

/// Groups with the first of their rows.
fn message(sequence: u64, groups: &Groups, chunk: &Chunk, following: u64) -> Result<Frame, ArrowError> {
    let first = encode(&rows_of(groups, chunk)?)?;
    let second = encode(&crate::answer::keys_and_ends(groups)?)?;
    Ok(Frame { kind: request::GROUPS, sequence, groups: following, first, second })
}

fn following_rows(sequence: u64, groups: &Groups, chunk: &Chunk) -> Result<Frame, ArrowError> {
    let first = encode(&rows_of(groups, chunk)?)?;
    let count = match chunk {
        Chunk::Held(rows) => rows.end - rows.start,
        Chunk::Piece(_, rows) => *rows,
    };
    Ok(Frame { kind: request::ROWS, sequence, groups: count, first, second: Vec::new() })
}

fn rows_of(groups: &Groups, chunk: &Chunk) -> Result<RecordBatch, ArrowError> {
    match chunk {
        // They were counted by rows that are in memory.
        Chunk::Held(rows) => Ok(groups.rows.slice(rows.start as usize, (rows.end - rows.start) as usize)),
        Chunk::Piece(piece, _) => match &groups.pieces {
            Some(pieces) => Ok(pieces.0.read(*piece)?),
            None => Err(ArrowError::InvalidArgumentError(format!("there is no piece {piece}"))),
        },
    }
}

fn unusable(error: &io::Error) -> Failure {
    Failure::new(shoal_core::Reason::Io, "a process for the function cannot be prepared")
        .because(error)
        .next("see whether the worker's scratch folder can be written to")
}

/// A future that runs on its own and ends with its owner.
struct AbortOnDrop(JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
