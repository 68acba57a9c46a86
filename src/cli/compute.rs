//! Flags of every command that computes: which device, in which precision, in how much memory.

use clap::{Args, builder::PossibleValuesParser, builder::TypedValueParser};

use super::suggested::suggested;
use crate::{
    config::Precision,
    device::{ByteSize, DeviceRequest},
};

/// Devices that shells suggest.
pub(super) const DEVICES: [&str; 9] = [
    "auto", "cpu", "gpu", "gpu:0", "gpu:1", "vulkan", "vulkan:0", "metal", "dx12",
];

/// Where and how a command computes.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Device")]
pub struct ComputeArgs {
    /// Device to compute on: auto, cpu, gpu, gpu:N (as numbered by `electra devices`), vulkan, vulkan:N,
    /// metal or dx12
    #[arg(
        long,
        env = "ELECTRA_DEVICE",
        value_name = "DEVICE",
        default_value = "auto",
        value_parser = suggested(parse_device, DEVICES),
        hide_possible_values = true
    )]
    pub device: DeviceRequest,
    /// Number format of matrix products [default: auto]
    ///
    /// Sums and weights stay in f32. bf16 requires a CPU with AMX (Intel, on Linux) or AVX-512-BF16 (AMD).
    #[arg(long, value_name = "FORMAT", value_parser = parse_precision())]
    pub precision: Option<Precision>,
    /// Maximum memory to use, such as 8GiB; batches are split to fit
    #[arg(long, value_name = "SIZE")]
    pub memory_budget: Option<ByteSize>,
}

/// An empty text, as from an empty environment variable, means `auto`.
pub(super) fn parse_device(text: &str) -> Result<DeviceRequest, String> {
    if text.trim().is_empty() {
        return Ok(DeviceRequest::Auto);
    }
    text.parse()
}

fn parse_precision() -> impl TypedValueParser<Value = Precision> {
    PossibleValuesParser::new(Precision::WORDS).try_map(|word| word.parse::<Precision>())
}

#[cfg(test)]
mod tests {
    use clap::{Command, FromArgMatches};

    use super::*;
    use crate::device::Api;

    fn parse(arguments: &[&str]) -> Result<ComputeArgs, String> {
        let command = ComputeArgs::augment_args(Command::new("c"));
        let matches = command
            .try_get_matches_from([&["c"], arguments].concat())
            .map_err(|e| e.to_string())?;
        Ok(ComputeArgs::from_arg_matches(&matches).unwrap())
    }

    #[test]
    fn every_flag_is_read() {
        let args = parse(&[
            "--device",
            "vulkan:1",
            "--precision",
            "f16",
            "--memory-budget",
            "8GiB",
        ])
        .unwrap();
        assert_eq!(args.device, DeviceRequest::ApiAdapter(Api::Vulkan, 1));
        assert_eq!(args.precision, Some(Precision::F16));
        assert_eq!(args.memory_budget, Some(ByteSize(8 << 30)));
        assert_eq!(
            parse(&["--device", ""]).unwrap().device,
            DeviceRequest::Auto
        );
    }

    #[test]
    fn wrong_values_are_explained() {
        let message = parse(&["--device", "cuda"]).unwrap_err();
        assert!(
            message.contains("expected auto, cpu, gpu, gpu:N"),
            "{message}"
        );
        let message = parse(&["--precision", "fp16"]).unwrap_err();
        assert!(message.contains("auto, f32, f16, bf16"), "{message}");
        let message = parse(&["--memory-budget", "lots"]).unwrap_err();
        assert!(
            message.contains("expected a size such as 8GiB"),
            "{message}"
        );
    }
}
