//! Parses `--device` and `ELECTRA_DEVICE`.

use std::{fmt, str::FromStr};

use super::adapter::Api;

/// The device that the user asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DeviceRequest {
    /// A hardware GPU if there is one, otherwise the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// The best GPU; a software adapter only if there is nothing else.
    Gpu,
    /// The adapter with this number in the list of `electra devices`.
    Adapter(usize),
    /// The best adapter of a graphics API.
    Api(Api),
    /// The adapter with this number, from 0, among those of a graphics API.
    ApiAdapter(Api, usize),
}

/// The accepted device names, for help and errors.
pub const FORMS: &str = "auto, cpu, gpu, gpu:N, vulkan, vulkan:N, metal or dx12";

impl FromStr for DeviceRequest {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("expected {FORMS}");
        let lower = text.trim().to_ascii_lowercase();
        let (name, number) = match lower.split_once(':') {
            Some((name, number)) => {
                let number = number.parse::<u16>().map_err(|_| {
                    format!("{}; N is a number that `electra devices` shows", wrong())
                })?;
                (name, Some(usize::from(number)))
            }
            None => (lower.as_str(), None),
        };
        let api = match name {
            "vulkan" => Some(Api::Vulkan),
            "metal" => Some(Api::Metal),
            "dx12" => Some(Api::Dx12),
            _ => None,
        };
        match (name, api, number) {
            ("auto", _, None) => Ok(DeviceRequest::Auto),
            ("cpu", _, None) => Ok(DeviceRequest::Cpu),
            ("gpu", _, None) => Ok(DeviceRequest::Gpu),
            ("gpu", _, Some(number)) => Ok(DeviceRequest::Adapter(number)),
            (_, Some(api), None) => Ok(DeviceRequest::Api(api)),
            (_, Some(api), Some(number)) => Ok(DeviceRequest::ApiAdapter(api, number)),
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for DeviceRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DeviceRequest::Auto => f.write_str("auto"),
            DeviceRequest::Cpu => f.write_str("cpu"),
            DeviceRequest::Gpu => f.write_str("gpu"),
            DeviceRequest::Adapter(number) => write!(f, "gpu:{number}"),
            DeviceRequest::Api(api) => write!(f, "{api}"),
            DeviceRequest::ApiAdapter(api, number) => write!(f, "{api}:{number}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read_and_written() {
        for (text, expected) in [
            ("auto", DeviceRequest::Auto),
            ("cpu", DeviceRequest::Cpu),
            ("gpu", DeviceRequest::Gpu),
            ("gpu:0", DeviceRequest::Adapter(0)),
            ("gpu:12", DeviceRequest::Adapter(12)),
            ("vulkan", DeviceRequest::Api(Api::Vulkan)),
            ("vulkan:1", DeviceRequest::ApiAdapter(Api::Vulkan, 1)),
            ("metal", DeviceRequest::Api(Api::Metal)),
            ("dx12", DeviceRequest::Api(Api::Dx12)),
        ] {
            assert_eq!(text.parse(), Ok(expected));
            assert_eq!(expected.to_string(), text);
        }
        assert_eq!(" GPU:3 ".parse(), Ok(DeviceRequest::Adapter(3)));
        assert_eq!(DeviceRequest::default(), DeviceRequest::Auto);
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "cuda",
            "gl",
            "gpu:",
            "gpu:-1",
            "gpu:x",
            "gpu:70000",
            "auto:0",
            "cpu:0",
            ":1",
        ] {
            let message = text.parse::<DeviceRequest>().unwrap_err();
            assert!(
                message.starts_with("expected auto, cpu, gpu, gpu:N"),
                "{text}: {message}"
            );
        }
    }
}
