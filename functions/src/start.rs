//! How a process is started: its command, its environment, its folder; and why it could not be.

use std::ffi::OsString;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::{Value, json};
use shoal_core::functions::{Caller, Code, Program};
use shoal_core::spec::v1alpha1::Variable;
use shoal_core::{Failure, Reason};
use tokio::process::Command;

use crate::answer::{Refused, RefusedKind};
use crate::death::Death;
use crate::files::Files;

/// The interpreter where the job names none.
pub(crate) const INTERPRETER: &str = "python3";

/// What any interpreter runs first. Old ones have to understand it, down to Python 2.
pub(crate) const NOT_TOO_OLD: &str = "import sys
if sys.version_info < (3, 10):
    sys.stderr.write('Python %d.%d\\n' % sys.version_info[:2])
    sys.exit(97)
";

/// What it runs then.
const BOOT: &str = "sys.path[0] = sys.argv[1]
from shoal.worker.guardian import main
main()
";

/// How [`NOT_TOO_OLD`] ends on an interpreter that is too old.
pub(crate) const TOO_OLD: i32 = 97;

/// What a process gets of the worker's environment: how to find programs and libraries, and how to read and write texts.
/// Credentials are in none of these.
pub(crate) const PASSED_ON: [&str; 9] =
    ["PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "LD_LIBRARY_PATH", "PYENV_ROOT", "PYENV_VERSION"];

/// What tells libraries how many threads to compute with.
const THREADS: [&str; 8] = [
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMEXPR_MAX_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "POLARS_MAX_THREADS",
    "RAYON_NUM_THREADS",
];

/// Where a process lives: a folder of its own, deleted with it.
#[derive(Debug)]
pub(crate) struct Home(PathBuf);

impl Home {
    pub(crate) fn make(path: PathBuf) -> io::Result<Self> {
        // Of the worker's user alone, wherever its folder lies.
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&path)?;
        let home = Self(path);
        std::fs::create_dir(home.temporary())?;
        Ok(home)
    }

    /// What it may write to.
    pub(crate) fn temporary(&self) -> PathBuf {
        self.0.join("tmp")
    }

    /// Lays out what the program brings along, with its own text beside it.
    ///
    /// # Errors
    /// What keeps files from being fetched or written.
    pub(crate) async fn furnish(&self, program: &Program, files: &Files) -> Result<(), Failure> {
        if program.files.is_empty() {
            return Ok(());
        }
        let folder = self.code();
        files.lay_out(&program.files, &folder).await?;
        // For debuggers and whoever looks for `__file__`.
        if let Code::Text { text, file } = &program.code {
            let file = folder.join(file);
            let written = tokio::fs::write(&file, text).await;
            written.map_err(|error| no_file(&file, &error))?;
        }
        Ok(())
    }

    /// Where its modules lie.
    fn code(&self) -> PathBuf {
        self.0.join("code")
    }

    pub(crate) fn progress(&self) -> PathBuf {
        self.0.join("progress")
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // The process may still be at its end; the folder above is deleted with the worker.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The command of a guardian, on the interpreter of the program's own environment where it has one. Variables are asked of
/// `environment`.
///
/// # Errors
/// [`Reason::InvalidEnvironment`] where the program names a variable that is not there.
pub(crate) fn command(
    program: &Program,
    own: Option<&Path>,
    sources: &Path,
    home: &Home,
    threads: usize,
    channel: Stdio,
    environment: impl Fn(&str) -> Option<OsString>,
) -> Result<Command, Failure> {
    let named = Path::new(program.interpreter.as_deref().unwrap_or(INTERPRETER));
    let mut command = Command::new(own.unwrap_or(named));
    command
        .args(["-c", &format!("{NOT_TOO_OLD}{BOOT}")])
        .arg(sources)
        .current_dir(home.temporary())
        // A signal that a terminal sends to the worker is not meant for it.
        .process_group(0)
        .stdin(channel)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .env_clear()
        .envs(PASSED_ON.iter().filter_map(|name| Some((name, environment(name)?))))
        .envs(THREADS.iter().map(|name| (name, threads.max(1).to_string())))
        .envs(variables(program, environment)?)
        .env("TMPDIR", home.temporary())
        .env("PYTHONUTF8", "1");
    Ok(command)
}

/// The variables that the program names. What a worker lacks is not left out: a function that runs without would tell of
/// something else, if of anything.
fn variables(
    program: &Program,
    environment: impl Fn(&str) -> Option<OsString>,
) -> Result<Vec<(String, OsString)>, Failure> {
    let value = |variable: &Variable| match &variable.value {
        Some(value) => Some(value.into()),
        None => environment(&variable.name),
    };
    let lacks = |index: usize, name: &str| {
        Failure::new(Reason::InvalidEnvironment, format!("`{name}` is not set where the worker runs"))
            .field(format!("env[{index}]"))
            .next("set it for all workers, or give it a `value`")
    };
    let named = program.env.iter().enumerate();
    named.map(|(index, it)| Ok((it.name.clone(), value(it).ok_or_else(|| lacks(index, &it.name))?))).collect()
}

/// The program as its process reads it.
pub(crate) fn program_json(program: &Program, home: &Home) -> Value {
    let (code, file, module) = match &program.code {
        Code::Text { text, file } => (Some(text), Some(file), None),
        Code::Module(module) => (None, None, Some(module)),
    };
    json!({
        "code": code,
        "file": file,
        "module": module,
        "folder": (!program.files.is_empty()).then(|| home.code()),
        "function": program.function,
        "purpose": program.purpose,
        "frame": program.frame,
        "params": program.params,
        "keys": program.keys,
        "returns": program.returns,
        "progress": home.progress(),
        // Whom it is not to be able to look into.
        "worker": std::process::id(),
    })
}

fn no_file(file: &Path, error: &io::Error) -> Failure {
    Failure::new(Reason::Io, "the function's code cannot be laid out")
        .because(error)
        .file(file.display().to_string())
        .next("see whether the worker's scratch folder can be written to")
}

/// Who calls, as its process reads it.
pub(crate) fn caller_json(caller: &Caller) -> Value {
    // What is logged of its calls is not the process's to see.
    let Caller { job, attempt, is_timing, log: _ } = caller;
    json!({"job": job, "attempt": attempt, "timing": is_timing})
}

/// The interpreter cannot be started.
pub(crate) fn not_started(program: &Program, error: &io::Error) -> Failure {
    let interpreter = program.interpreter.as_deref().unwrap_or(INTERPRETER);
    let message = match error.kind() {
        io::ErrorKind::NotFound => format!("there is no `{interpreter}`"),
        _ => format!("`{interpreter}` cannot be started"),
    };
    in_environment(message).because(error).next(
        "name a Python of 3.10 or newer that every worker has, with `pyarrow` in it: \
         `environment: {interpreter: /opt/venv/bin/python}`",
    )
}

/// The process ended before it had loaded the program. `complaints` are its last words.
pub(crate) fn ended(program: &Program, death: &Death, complaints: Vec<String>) -> Failure {
    let mut failure = match death {
        Death::Ended(Some(TOO_OLD)) => return too_old(&complaints),
        Death::Ended(_) => {
            let message = format!("the function's process {} while it loaded", death.in_words());
            Failure::new(Reason::InvalidFunction, message).field(source_member(program))
        }
        Death::TooLong(limit) => {
            let message = format!("the function's code does not load within {} s", limit.as_secs());
            Failure::new(Reason::InvalidFunction, message).field(source_member(program))
        }
        Death::NoRoom(_) | Death::KernelKilled => {
            let message = format!("the function's process {} while it loaded", death.in_words());
            return Failure::new(Reason::ResourcesExhausted, message)
                .next("give workers more memory, or fewer slots, or less to other programs of the machine");
        }
        Death::TooMuchMemory(..) | Death::TooManyProcesses(_) | Death::Unintelligible(_) => {
            Failure::internal(format!("the function's process {} while it loaded", death.in_words()))
        }
    };
    failure.causes = complaints;
    failure.next("see whether the code loads with the same interpreter by hand")
}

fn too_old(complaints: &[String]) -> Failure {
    let found = complaints.last().cloned().unwrap_or_default();
    in_environment(format!("{found} is too old: 3.10 or newer is needed"))
        .next("name another one: `environment: {interpreter: /opt/venv/bin/python}`")
}

/// The interpreter that an environment is to be made from does not say what it is. `complaints` are its last words.
pub(crate) fn unusable_base(death: &Death, complaints: Vec<String>) -> Failure {
    let mut failure = match death {
        Death::Ended(Some(TOO_OLD)) => return too_old(&complaints),
        Death::TooLong(limit) => {
            in_environment(format!("the interpreter does not answer within {} s", limit.as_secs()))
        }
        other => in_environment(format!("the interpreter cannot be used: it {}", other.in_words())),
    };
    failure.causes = complaints;
    failure.next("see whether it runs by hand, or name another one: `environment: {interpreter: /opt/venv/bin/python}`")
}

/// The process says what is wrong with the program.
pub(crate) fn refused(program: &Program, refused: Refused) -> Failure {
    let Refused { kind, message, line, trace } = refused;
    let mut failure = match (kind, &program.code) {
        (RefusedKind::Isolation, _) => Failure::new(Reason::Io, message)
            .next("give workers no capability to trace processes, and a system that keeps processes apart"),
        (RefusedKind::Environment, _) if program.requirements.is_some() => in_environment(message)
            .next("add it to what is installed: `requirements` or `packages`; a module of your own, to `files`"),
        (RefusedKind::Environment, _) => in_environment(message).next(
            "install it where workers run, name an interpreter that has it, or add a module of your own to `files`",
        ),
        (RefusedKind::Code, Code::Text { file, .. }) => Failure::new(Reason::InvalidFunction, message)
            .field(source_member(program))
            .file(file)
            .next("mend the code"),
        (RefusedKind::Code, Code::Module(_)) => {
            Failure::new(Reason::InvalidFunction, message).field("module").next("mend the module, or name another one")
        }
    };
    if let (RefusedKind::Code, Some(line)) = (kind, line) {
        failure = failure.line(line);
    }
    failure.causes = trace;
    failure
}

fn in_environment(message: String) -> Failure {
    Failure::new(Reason::InvalidEnvironment, message).field("environment")
}

fn source_member(program: &Program) -> &'static str {
    match program.code {
        Code::Text { .. } => "function",
        Code::Module(_) => "module",
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn program() -> Program {
        Program {
            field: "spec.groupedScoring.python".into(),
            purpose: Default::default(),
            code: Code::Text { text: "x = 1".into(), file: "train.py".into() },
            files: Vec::new(),
            function: "fit".into(),
            frame: Default::default(),
            params: Default::default(),
            keys: vec!["firm".into()],
            returns: Vec::new(),
            interpreter: None,
            requirements: None,
            env: Vec::new(),
            group_time_max: None,
            memory_max: None,
            deaths_max: 10,
            packs: false,
        }
    }

    #[test]
    fn nothing_of_the_workers_environment_is_passed_on_but_what_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::make(folder.path().join("1")).unwrap();
        let environment = |name: &str| (name != "TZ").then(|| OsString::from(format!("of {name}")));
        let command = command(&program(), None, Path::new("/sources"), &home, 2, Stdio::null(), environment).unwrap();
        let given: Vec<(String, String)> = (command.as_std().get_envs())
            .map(|(name, value)| (name.to_string_lossy().into(), value.unwrap().to_string_lossy().into()))
            .collect();
        let value = |name: &str| given.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        assert_eq!((value("PATH"), value("TZ"), value("AWS_SECRET_ACCESS_KEY")), (Some("of PATH"), None, None));
        assert!(THREADS.iter().all(|name| value(name) == Some("2")), "{given:?}");
        assert_eq!(value("TMPDIR"), home.temporary().to_str());
        assert_eq!(given.len(), PASSED_ON.len() - 1 + THREADS.len() + 2);
    }

    #[test]
    fn variables_that_are_named_are_given_and_what_is_missing_is_refused() {
        let variable = |name: &str, value: Option<&str>| Variable {
            name: name.into(),
            value: value.map(str::to_owned),
            from_worker: value.is_none().then_some(true),
        };
        let env = vec![variable("A", Some("")), variable("OMP_NUM_THREADS", Some("4")), variable("KEY", None)];
        let program = Program { env, ..program() };
        let given = variables(&program, |name| (name == "KEY").then(|| "secret".into())).unwrap();
        let given: Vec<(&str, &str)> =
            given.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        assert_eq!(given, [("A", ""), ("OMP_NUM_THREADS", "4"), ("KEY", "secret")]);
        let failure = variables(&program, |_| None).unwrap_err();
        assert_eq!(failure.reason, Reason::InvalidEnvironment);
        assert_eq!(failure.location.field_path.as_deref(), Some("env[2]"));
        assert_eq!(failure.message, "`KEY` is not set where the worker runs");
    }

    #[test]
    fn a_home_goes_with_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::make(folder.path().join("1")).unwrap();
        std::fs::write(home.temporary().join("left"), "behind").unwrap();
        drop(home);
        assert!(!folder.path().join("1").exists());
    }

    #[test]
    fn what_is_wrong_with_code_has_its_line_and_what_is_missing_around_it_does_not() {
        let said = |kind| Refused { kind, message: "wrong".into(), line: Some(3), trace: vec!["a".into()] };
        let code = refused(&program(), said(RefusedKind::Code));
        assert_eq!((code.reason, code.location.line), (Reason::InvalidFunction, Some(3)));
        assert_eq!(code.location.file.as_deref(), Some("train.py"));
        let environment = refused(&program(), said(RefusedKind::Environment));
        assert_eq!((environment.reason, environment.location.line), (Reason::InvalidEnvironment, None));
    }

    #[test]
    fn an_old_interpreter_is_told_from_code_that_ends_the_process() {
        let old = ended(&program(), &Death::Ended(Some(TOO_OLD)), vec!["Python 3.8".into()]);
        assert_eq!(
            (old.reason, old.message.as_str()),
            (Reason::InvalidEnvironment, "Python 3.8 is too old: 3.10 or newer is needed")
        );
        let died = ended(&program(), &Death::Ended(Some(139)), vec!["last words".into()]);
        assert_eq!((died.reason, died.causes.as_slice()), (Reason::InvalidFunction, &["last words".to_owned()][..]));
    }
}
