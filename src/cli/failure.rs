//! Classifies the error that ended a command, and reports it: an exit code, and a line or an event.

use std::{
    error::Error,
    io::{self, ErrorKind},
};

use super::{GlobalArgs, stop};
use crate::{
    device::{self, DeviceError},
    finetune, pretrain, terminal,
    train::{memory_plan::TooLarge, prediction_memory::BudgetTooSmall},
};

/// Exit code for wrong usage or bad data.
pub const WRONG_USE: u8 = 2;
/// Exit code if a device or memory is unavailable.
pub const NO_DEVICE: u8 = 3;

/// What an error means to whoever started the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The user stopped the run, which has already said so: not an error.
    Stopped,
    /// The reader of the results has closed the pipe, which is not an error either.
    OutputClosed,
    /// A device or memory is unavailable, or a device failed.
    Device,
    /// Wrong usage or bad data.
    Use,
}

impl Failure {
    /// Classifies an error. Every module's error has its cause as its source; the first cause that
    /// is one of these few decides, whatever wraps it.
    pub fn of(error: &anyhow::Error) -> Self {
        error.chain().find_map(Self::of_cause).unwrap_or(Self::Use)
    }

    fn of_cause(cause: &(dyn Error + 'static)) -> Option<Self> {
        let is_closed = |error: &io::Error| error.kind() == ErrorKind::BrokenPipe;
        let is_stopped = |error: &device::Error| matches!(error, device::Error::Stopped);
        if cause
            .downcast_ref()
            .is_some_and(finetune::Error::was_stopped)
            || cause
                .downcast_ref()
                .is_some_and(pretrain::Error::was_stopped)
            || cause
                .downcast_ref()
                .is_some_and(pretrain::run::Error::was_stopped)
            || cause.downcast_ref().is_some_and(is_stopped)
        {
            Some(Self::Stopped)
        } else if cause.downcast_ref().is_some_and(is_closed) {
            Some(Self::OutputClosed)
        } else if cause.is::<device::Error>()
            || cause.is::<DeviceError>()
            || cause.is::<TooLarge>()
            || cause.is::<BudgetTooSmall>()
        {
            Some(Self::Device)
        } else {
            None
        }
    }

    /// Returns 130 or 143 if the user stopped the run, 0 if the reader of the results closed the
    /// pipe, 3 for a device, and 2 otherwise.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Stopped => stop::exit_code(),
            Self::OutputClosed => 0,
            Self::Device => NO_DEVICE,
            Self::Use => WRONG_USE,
        }
    }

    /// Reports what stopped the command, if it is an error: as a line, or as an event for programs.
    /// The exit code is valid even if the message cannot be written.
    pub fn tell(self, error: &anyhow::Error, global: &GlobalArgs) {
        if matches!(self, Self::Stopped | Self::OutputClosed) {
            return;
        }
        let text = one_line(error);
        if global.json {
            let code = self.exit_code();
            terminal::event("error", serde_json::json!({"text": text, "code": code}));
        } else {
            terminal::say(&format!("error: {text}"));
        }
    }
}

/// Returns the exit code for an error.
pub fn exit_code(error: &anyhow::Error) -> u8 {
    Failure::of(error).exit_code()
}

/// Formats an error and its causes on one line. Skips a cause that a message already contains.
pub fn one_line(error: &anyhow::Error) -> String {
    let mut told = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if told.is_empty() {
            told = cause;
        } else if !told.contains(&cause) {
            told = format!("{told}: {cause}");
        }
    }
    told.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{model::record::WriteError, quickstart, train};

    #[test]
    fn errors_become_exit_codes() {
        let device = device::Error::NotFound {
            request: device::DeviceRequest::Gpu,
            found: "nothing".to_owned(),
            advice: "give --device cpu",
        };
        let error = anyhow::Error::from(device).context("opening the device");
        assert_eq!(exit_code(&error), 3);
        assert_eq!(
            one_line(&error),
            "opening the device: --device gpu: nothing; give --device cpu"
        );
        assert_eq!(exit_code(&anyhow::anyhow!("bad data")), 2);
        let failed = |source: train::run::Error| finetune::Error::Train(source);
        let lost = || WriteError::Device {
            file: "m".into(),
            source: device::DeviceError::new("lost"),
        };
        let full = WriteError::File {
            file: "m".into(),
            reason: "no space".to_owned(),
        };
        let saving = train::checkpoint::Error::from(lost());
        assert_eq!(exit_code(&failed(saving.into()).into()), 3);
        assert_eq!(exit_code(&failed(full.into()).into()), 2);
        let quickstart = quickstart::Error::from(failed(lost().into()));
        assert_eq!(exit_code(&quickstart.into()), 3);
        #[cfg(feature = "server")]
        {
            let reset = device::Error::Failed {
                reason: "reset".to_owned(),
            };
            let served = crate::serve::Error::Model {
                source: crate::fine_tuned::Error::Device(reset),
            };
            assert_eq!(exit_code(&served.into()), 3);
        }
        assert_eq!(exit_code(&io::Error::from(ErrorKind::BrokenPipe).into()), 0);
        assert_eq!(exit_code(&io::Error::from(ErrorKind::NotFound).into()), 2);
    }

    #[test]
    fn a_cause_is_told_once() {
        let cause = || anyhow::anyhow!("no space left");
        let twice = cause().context("f: writing failed: no space left; free space");
        assert_eq!(
            one_line(&twice),
            "f: writing failed: no space left; free space"
        );
        assert_eq!(one_line(&cause().context("f")), "f: no space left");
    }

    #[test]
    fn errors_of_several_lines_become_one() {
        assert_eq!(one_line(&anyhow::anyhow!("a\n\n  b\nc")), "a b c");
    }
}
