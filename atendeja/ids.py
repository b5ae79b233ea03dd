"""UUIDv7 (RFC 9562, section 5.7): ids that sort by the millisecond they were made, so that indexes grow at one end."""

from uuid import UUID


def uuid7(unix_ms: int, random_bits: int) -> UUID:
    """The id of this millisecond since 1970 with the low 74 bits of `random_bits`; the same arguments give the same id."""
    value = (unix_ms & 0xFFFF_FFFF_FFFF) << 80
    value |= 0x7 << 76
    value |= (random_bits >> 62 & 0xFFF) << 64
    value |= 0b10 << 62
    value |= random_bits & 0x3FFF_FFFF_FFFF_FFFF
    return UUID(int=value)
