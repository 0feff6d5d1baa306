//! Makes of a job's function what its processes are told, with its code.

use std::path::Path;

use shoal_core::blobs::{BlobSource, read as read_blob};
use shoal_core::functions::{Code, Program, Purpose};
use shoal_core::job::{Function, Source};
use shoal_core::spec::v1alpha1::{ConfigMapKeyRef, FailurePolicy};
use shoal_core::{Failure, Reason};

use super::requirements::requirements;

/// Bytes of a file of code, or of a list of requirements: as many as the job file may have of it.
const TEXT_BYTES_MAX: u64 = 256 << 10;

/// What code is called that lies in the job file.
const INLINE: &str = "inline.py";

/// The program of a function. The text of its own file is read, as it stands in what processes are told; what lies beside it
/// is left to whoever starts them.
pub(crate) async fn program(
    function: &Function,
    purpose: Purpose,
    keys: &[String],
    policy: &FailurePolicy,
    blobs: &dyn BlobSource,
) -> Result<Program, Failure> {
    let Function {
        field,
        source,
        files: _,
        uploads: _,
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
        Source::ConfigMap(reference) => return Err(only_on_kubernetes(field, reference)),
        Source::File(path) => {
            let wrong = |wrong: NoText| wrong.failure(Reason::InvalidFunction, path);
            let next = |failure: Failure| match failure.next {
                Some(_) => failure,
                None => failure.next("name the file that has the function, relative to the job file"),
            };
            let text = text_of(function, path, blobs, wrong)
                .await
                .map_err(|failure| next(failure).field(format!("{field}.file")))?;
            Code::Text { text, file: file_name(path) }
        }
    };
    let requirements = match installed {
        Some(installed) => Some(requirements(function, installed, blobs).await?),
        None => None,
    };
    Ok(Program {
        field: field.clone(),
        purpose,
        code,
        files: function.beside()?,
        function: name.clone(),
        frame: *frame,
        params: params.clone(),
        keys: keys.to_vec(),
        returns: returns.clone(),
        interpreter: interpreter.clone(),
        packs: requirements.is_some() && blobs.is_shared(),
        requirements,
        env: env.clone(),
        group_time_max: *group_time_max,
        memory_max: *memory_max,
        deaths_max: policy.max_process_deaths,
    })
}

fn only_on_kubernetes(function: &str, ConfigMapKeyRef { name, key }: &ConfigMapKeyRef) -> Failure {
    Failure::new(
        Reason::InvalidValue,
        format!("the key `{key}` of the ConfigMap `{name}` can be read on Kubernetes only"),
    )
    .field(format!("{function}.configMapKeyRef"))
    .next("create the job with kubectl; here, name the `file` that the ConfigMap was made from")
}

/// What a file is called beside its job file.
pub(super) fn file_name(path: &str) -> String {
    Path::new(path).file_name().map_or_else(|| path.to_owned(), |name| name.to_string_lossy().into_owned())
}

/// Why there is no text of a file.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoText {
    #[error("there is no such file")]
    Missing(#[source] std::io::Error),
    #[error("the file is no text in UTF-8")]
    NoUtf8,
    #[error("the file cannot be read")]
    Unreadable(#[source] std::io::Error),
    #[error("a file of {0} bytes is too large: {TEXT_BYTES_MAX} are possible")]
    TooLarge(u64),
}

impl NoText {
    pub(super) fn failure(self, reason: Reason, path: &str) -> Failure {
        let mut failure = Failure::new(reason, self.to_string()).file(path);
        if let Self::TooLarge(_) = self {
            failure = failure.next("move a part of it into another file, and name that in `files`");
        }
        match &self {
            Self::Missing(error) | Self::Unreadable(error) => failure.because(error),
            Self::NoUtf8 | Self::TooLarge(_) => failure,
        }
    }
}

/// The text of a file that a job names: what was uploaded, else what the head's own machine has there.
pub(super) async fn text_of(
    function: &Function,
    path: &str,
    blobs: &dyn BlobSource,
    wrong: impl Fn(NoText) -> Failure,
) -> Result<String, Failure> {
    let bytes = match function.uploaded(path) {
        Some(file) if file.bytes > TEXT_BYTES_MAX => return Err(wrong(NoText::TooLarge(file.bytes))),
        Some(file) => read_blob(blobs, file, TEXT_BYTES_MAX).await?,
        None => local(path).map_err(&wrong)?,
    };
    String::from_utf8(bytes).map_err(|_| wrong(NoText::NoUtf8))
}

fn local(path: &str) -> Result<Vec<u8>, NoText> {
    let unreadable = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => NoText::Missing(error),
        _ => NoText::Unreadable(error),
    };
    let bytes = std::fs::metadata(path).map_err(unreadable)?.len();
    if bytes > TEXT_BYTES_MAX {
        return Err(NoText::TooLarge(bytes));
    }
    std::fs::read(path).map_err(unreadable)
}
