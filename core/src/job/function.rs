use std::time::Duration;

use super::refuse_duplicates;
use crate::failure::{Failure, Reason};
use crate::spec::v1alpha1::{Environment, Frame, Params, Python, Returned, Variable};
use crate::units::{parse_duration, parse_size};

/// A user's function that is called for each group. Columns are distinct, and so are those that it returns.
#[derive(Clone, Debug, PartialEq)]
pub struct Function {
    /// Where the spec has it, as `spec.groupedScoring.python`.
    pub field: String,
    /// Where it is.
    pub source: Source,
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
            .map(Source::File)
            .or_else(|| module.map(Source::Module))
            .or_else(|| code.map(Source::Code))
            .ok_or_else(|| {
            Failure::new(Reason::MissingField, "no function is named").field(&path).next("add `file`")
        })?;
        if let Some(columns) = &columns {
            refuse_duplicates(columns, &format!("{path}.columns"), "column")?;
        }
        let invalid = |field: &'static str| {
            let path = format!("{path}.{field}");
            move |message: String| Failure::new(Reason::InvalidValue, message).field(path)
        };
        let Environment { interpreter, requirements, packages, wheels, index_url } = environment.unwrap_or_default();
        let packages = requirements.map(Packages::File).or_else(|| packages.map(Packages::Listed));
        let duration = group_timeout.as_deref().map(parse_duration).transpose();
        let memory = process_memory_limit.as_deref().map(parse_size).transpose();
        Ok(Self {
            source,
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
}
