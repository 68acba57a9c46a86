//! The checksum of a variable's bytes: CRC32C, masked as TensorFlow stores it. A report has one for
//! every variable, whatever the checkpoint's format.

/// Masks a CRC32C, so that the checksum of data that itself contains checksums stays meaningful
/// (the constant is LevelDB's).
pub(crate) fn mask_crc(crc: u32) -> u32 {
    crc.rotate_right(15).wrapping_add(0xa282_ead8)
}
