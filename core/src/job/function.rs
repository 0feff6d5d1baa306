use std::time::Duration;

use super::refuse_duplicates;
use crate::blobs::{Digest, File, check_size, clean, folder_of, place_in};
use crate::failure::{Failure, Reason};
use crate::spec::v1alpha1::{ConfigMapKeyRef, Environment, Frame, Params, Python, Returned, Upload, Variable};
use crate::units::{parse_duration, parse_size};

/// A user's function that is called for each group. Columns are distinct, and so are those that it returns.
#[derive(Clone, Debug, PartialEq)]
pub struct Function {
    /// Where the spec has it, as `spec.groupedScoring.python`.
    pub field: String,
    /// Where it is.
    pub source: Source,
    /// What it needs beside that: files and folders, as clean paths.
    pub files: Vec<String>,
    /// What was uploaded of all that it names, by clean paths.
    pub uploads: Vec<File>,
    /// Its name there.
    pub name: String,
    /// What a group's rows come as.
    pub frame: Frame,
    /// The columns that it sees; all of them where none are named.
    pub columns: Option<Vec<String>>,
    /// What it returns.
    pub returns: Vec<Returned>,
    /// What it gets beside the group and its key.
    pub params: Params,
    /// How long one group may take.
    pub group_time_max: Option<Duration>,
    /// Memory that its process may take, in bytes.
    pub memory_max: Option<u64>,
    /// The interpreter, where it is not to be looked for.
    pub interpreter: Option<String>,
    /// What is installed for it, where that is not what the interpreter has.
    pub installed: Option<Installed>,
    /// Environment variables that it sees beside those that every function does.
    pub env: Vec<Variable>,
}

/// Packages that are installed for a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installed {
    /// Which.
    pub packages: Packages,
    /// The folder of wheels that they come from, where they do.
    pub wheels: Option<String>,
    /// The index that they come from, where it is not the worker's own.
    pub index_url: Option<String>,
}

/// Where it is said which packages are installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Packages {
    /// In a file of the head's machine.
    File(String),
    /// Here, one requirement each.
    Listed(Vec<String>),
}

/// Where a function is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// In a file of the head's machine.
    File(String),
    /// In a module that is installed where workers run.
    Module(String),
    /// In this text.
    Code(String),
    /// In a ConfigMap, whose text the operator puts in its place.
    ConfigMap(ConfigMapKeyRef),
}

impl Source {
    /// The folder that the function's files lie in.
    fn folder(&self) -> &str {
        match self {
            Self::File(file) => folder_of(file),
            Self::Module(_) | Self::Code(_) | Self::ConfigMap(_) => "",
        }
    }
}

impl Function {
    /// The name of its member in the spec.
    pub const MEMBER: &str = "python";

    pub(super) fn parse(spec: &Python, path: &str) -> Result<Self, Failure> {
        // Taken apart without `..`, so that a new field cannot be forgotten here.
        let Python {
            file,
            module,
            code,
            config_map_key_ref,
            files,
            uploads,
            function,
            frame,
            columns,
            returns,
            params,
            group_timeout,
            process_memory_limit,
            environment,
            env,
        } = spec.clone();
        let path = format!("{path}.{}", Self::MEMBER);
        let source = file
            .map(|file| Source::File(clean(&file)))
            .or_else(|| module.map(Source::Module))
            .or_else(|| code.map(Source::Code))
            .or_else(|| config_map_key_ref.map(Source::ConfigMap))
            .ok_or_else(|| {
                Failure::new(Reason::MissingField, "no function is named").field(&path).next("add `file`")
            })?;
        if let Some(columns) = &columns {
            refuse_duplicates(columns, &format!("{path}.columns"), "column")?;
        }
        let folder = source.folder().to_owned();
        let files: Vec<String> = files.unwrap_or_default().iter().map(|file| clean(file)).collect();
        for (file, index) in files.iter().zip(0..) {
            if file != &folder && place_in(&folder, file).is_none() {
                return Err(elsewhere(file, &source).field(format!("{path}.files[{index}]")));
            }
        }
        let uploads = uploads.unwrap_or_default().into_iter().zip(0..);
        let uploads = uploads.map(|(upload, index)| uploaded(upload, &format!("{path}.uploads[{index}]")));
        let uploads = uploads.collect::<Result<Vec<_>, _>>()?;
        let invalid = |field: &'static str| {
            let path = format!("{path}.{field}");
            move |message: String| Failure::new(Reason::InvalidValue, message).field(path)
        };
        let Environment { interpreter, requirements, packages, wheels, index_url } = environment.unwrap_or_default();
        let packages = requirements.map(|file| Packages::File(clean(&file))).or_else(|| packages.map(Packages::Listed));
        let duration = group_timeout.as_deref().map(parse_duration).transpose();
        let memory = process_memory_limit.as_deref().map(parse_size).transpose();
        Ok(Self {
            source,
            files,
            uploads,
            group_time_max: duration.map_err(invalid("groupTimeout"))?,
            memory_max: memory.map_err(invalid("processMemoryLimit"))?,
            field: path,
            name: function,
            frame,
            columns,
            returns,
            params,
            interpreter,
            installed: packages.map(|packages| Installed { packages, wheels, index_url }),
            env,
        })
    }

    /// The file that was uploaded under a clean path.
    pub fn uploaded(&self, path: &str) -> Option<&File> {
        self.uploads.iter().find(|upload| upload.path == path)
    }

    /// The files that were uploaded of a folder, with their places in it.
    pub fn uploaded_below(&self, folder: &str) -> Vec<File> {
        let folder = clean(folder);
        let in_folder = |upload: &File| place_in(&folder, &upload.path).map(str::to_owned);
        self.uploads.iter().filter_map(|upload| Some(File { path: in_folder(upload)?, ..upload.clone() })).collect()
    }

    /// What lies beside the function's own file, with its places there.
    ///
    /// # Errors
    /// [`Reason::FileNotUploaded`] where nothing was uploaded of one that is named.
    pub fn beside(&self) -> Result<Vec<File>, Failure> {
        let folder = self.source.folder();
        let mut beside: Vec<File> = Vec::new();
        for (path, index) in self.files.iter().zip(0..) {
            let is_of = |upload: &&File| upload.path == *path || place_in(path, &upload.path).is_some();
            let mut found = self.uploads.iter().filter(is_of).peekable();
            if found.peek().is_none() {
                return Err(Failure::new(Reason::FileNotUploaded, format!("nothing was uploaded of `{path}`"))
                    .field(format!("{}.files[{index}]", self.field))
                    .file(path)
                    .next("submit the job with `shoal job submit` or the Python client, which upload its files"));
            }
            for upload in found {
                let Some(place) = place_in(folder, &upload.path) else { continue };
                if beside.iter().all(|known| known.path != place) {
                    beside.push(File { path: place.to_owned(), ..upload.clone() });
                }
            }
        }
        Ok(beside)
    }
}

fn uploaded(upload: Upload, field: &str) -> Result<File, Failure> {
    let Upload { path, sha256, bytes } = upload;
    let digest = Digest::of_hex(&sha256)
        .ok_or_else(|| Failure::new(Reason::InvalidValue, format!("`{sha256}` is no hash of a file")).field(field))?;
    check_size(bytes).map_err(|failure| failure.field(field))?;
    Ok(File { path: clean(&path), digest, bytes })
}

fn elsewhere(file: &str, source: &Source) -> Failure {
    let beside = match source {
        Source::File(function) => format!("the folder of the function's file `{function}`"),
        Source::Module(_) | Source::Code(_) | Source::ConfigMap(_) => "the folder of the job file".to_owned(),
    };
    Failure::new(Reason::InvalidValue, format!("`{file}` does not lie in {beside}, where it would be looked for"))
        .next("move it there or below; what lies elsewhere is installed, or becomes a wheel")
}
