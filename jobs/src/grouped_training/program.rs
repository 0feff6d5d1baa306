//! Makes of a job's function what its processes are told, with its code.

use std::path::Path;

use shoal_core::functions::{Code, Program, Purpose};
use shoal_core::job::{Function, Source};
use shoal_core::spec::v1alpha1::FailurePolicy;
use shoal_core::{Failure, Reason};

use super::requirements::requirements;

/// Bytes of a file of code: as many as the job file may have of it.
const CODE_BYTES_MAX: u64 = 256 << 10;

/// What code is called that lies in the job file.
const INLINE: &str = "inline.py";

/// The program of a function; its file is read.
pub(crate) fn program(
    function: &Function,
    purpose: Purpose,
    keys: &[String],
    policy: &FailurePolicy,
) -> Result<Program, Failure> {
    let Function {
        field,
        source,
        name,
        frame,
        columns: _,
        returns,
        params,
        group_time_max,
        memory_max,
        interpreter,
        installed,
        env,
    } = function;
    let code = match source {
        Source::Module(module) => Code::Module(module.clone()),
        Source::Code(text) => Code::Text { text: text.clone(), file: INLINE.to_owned() },
        Source::File(path) => {
            let text = read(path).map_err(|failure| failure.field(format!("{field}.file")).file(path))?;
            Code::Text { text, file: file_name(path) }
        }
    };
    Ok(Program {
        field: field.clone(),
        purpose,
        code,
        function: name.clone(),
        frame: *frame,
        params: params.clone(),
        keys: keys.to_vec(),
        returns: returns.clone(),
        interpreter: interpreter.clone(),
        requirements: installed.as_ref().map(|installed| requirements(installed, field)).transpose()?,
        env: env.clone(),
        group_time_max: *group_time_max,
        memory_max: *memory_max,
        deaths_max: policy.max_process_deaths,
    })
}

/// What a file is called beside its job file.
pub(super) fn file_name(path: &str) -> String {
    Path::new(path).file_name().map_or_else(|| path.to_owned(), |name| name.to_string_lossy().into_owned())
}

fn read(path: &str) -> Result<String, Failure> {
    let unreadable = |error: std::io::Error| {
        let message = match error.kind() {
            std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
            std::io::ErrorKind::InvalidData => "the file is no text in UTF-8".to_owned(),
            _ => "the file cannot be read".to_owned(),
        };
        Failure::new(Reason::InvalidFunction, message)
            .because(&error)
            .next("name the file that has the function, relative to the job file")
    };
    let bytes = std::fs::metadata(path).map_err(unreadable)?.len();
    if bytes > CODE_BYTES_MAX {
        let message = format!("a file of {bytes} bytes is too large: {CODE_BYTES_MAX} are possible");
        return Err(Failure::new(Reason::InvalidFunction, message)
            .next("install the code where workers run, and name its `module`"));
    }
    std::fs::read_to_string(path).map_err(unreadable)
}
