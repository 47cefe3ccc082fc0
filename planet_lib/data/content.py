"""Recognise by its first bytes a file that is not what its name says."""

TIFF = "a TIFF"
PNG = "a PNG picture"
WEBP = "a WebP picture"
UNKNOWN = "of an unknown kind"
SIGNATURES = {
    b"version https://git-lfs": "a pointer of Git LFS, not the file itself; run git lfs pull",
    b"\x89PNG\r\n\x1a\n": PNG,
    b"GIF8": "a GIF picture",
    b"BM": "a BMP picture",
    b"\xff\xd8": "a JPEG picture",
    b"II*\0": TIFF,
    b"MM\0*": TIFF,
    b"II+\0": TIFF,
    b"MM\0+": TIFF,
    b"PK\3\4": "a zip archive",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive",
    b"\x1f\x8b": "a gzip archive",
    b"\0\5\x16\7": "macOS's notes on a file, not the file itself",
    b"%PDF": "a PDF document",
}


def name_content(start: bytes) -> str:
    """Name the content of a file by its first bytes, at least 32 where it has as many.

    >>> name_content(b"GIF89a"), name_content(b"<html>"), name_content(b"?")
    ('a GIF picture', 'a web page; download the file again', 'of an unknown kind')
    """
    if not start:
        return "empty; download it again"
    if start.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"<"):
        return "a web page; download the file again"
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return WEBP
    known = (words for signature, words in SIGNATURES.items() if start.startswith(signature))
    return next(known, UNKNOWN if start.strip(b"\0") else "all zeros; copy it again")
