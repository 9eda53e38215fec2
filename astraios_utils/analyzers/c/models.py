"""What the C library's functions do to the values that the interpreter follows."""

from __future__ import annotations

from dataclasses import dataclass

from .values import DOUBLE, INT, LONG, STRING, ULONG, CType


@dataclass(frozen=True, slots=True)
class Copy:
    """A function that writes text or memory: into which argument, and from which (``-1``: all from there on)."""

    into: int
    sources: tuple[int, ...]
    appends: bool = False
    rest: int | None = None  # also every argument from here on, as printf's


COPIES = {
    "strcpy": Copy(0, (1,)),
    "stpcpy": Copy(0, (1,)),
    "strncpy": Copy(0, (1,)),
    "strlcpy": Copy(0, (1,)),
    "memcpy": Copy(0, (1,)),
    "memmove": Copy(0, (1,)),
    "bcopy": Copy(1, (0,)),
    "strcat": Copy(0, (1,), appends=True),
    "strncat": Copy(0, (1,), appends=True),
    "strlcat": Copy(0, (1,), appends=True),
    "sprintf": Copy(0, (1,), rest=2),
    "vsprintf": Copy(0, (1,), rest=2),
    "snprintf": Copy(0, (2,), rest=3),
    "vsnprintf": Copy(0, (2,), rest=3),
    "realpath": Copy(1, (0,)),
    "memset": Copy(0, ()),
}
# Arguments that a function fills with what it reads at run time; the second number: also all from there on.
READERS: dict[str, tuple[int, int | None]] = {
    "fgets": (0, None),
    "gets": (0, None),
    "fread": (0, None),
    "read": (1, None),
    "recv": (1, None),
    "recvfrom": (1, None),
    "getline": (0, None),
    "getdelim": (0, None),
    "scanf": (1, 1),
    "fscanf": (2, 2),
}
READ_RETURNS = {"fgets", "gets", "getchar", "fgetc", "getc", "getenv", "readline", "getpass", "getlogin"}
RANDOM = {"rand", "rand_r", "random", "lrand48"}  # none is negative
SAME_TEXT = {
    "strdup",
    "strndup",
    "strtok",
    "strchr",
    "strrchr",
    "strstr",
    "strpbrk",
    "strcasestr",
    "basename",
    "realpath",
}
SAME_TEXT |= {"strcpy", "strncpy", "strcat", "strncat", "memcpy", "memmove", "stpcpy", "dirname"}
NUMBERS: dict[str, CType] = {
    "atoi": INT,
    "atol": LONG,
    "atoll": LONG,
    "strtol": LONG,
    "strtoll": LONG,
    "strtoul": ULONG,
    "strtoull": ULONG,
    "atof": DOUBLE,
    "strtod": DOUBLE,
    "strtof": DOUBLE,
}
RETURNS: dict[str, CType] = {
    **NUMBERS,
    **dict.fromkeys(("strlen", "strnlen", "fread", "fwrite", "strspn", "strcspn"), ULONG),
    **dict.fromkeys(("malloc", "calloc", "realloc", "strdup", "strndup", "getenv", "strtok", "strchr"), STRING),
    **dict.fromkeys(
        ("strrchr", "strstr", "strpbrk", "fgets", "gets", "realpath", "basename", "fopen", "popen"), STRING
    ),
    **dict.fromkeys(("strcpy", "strcat", "strncpy", "strncat", "memcpy", "memmove", "memset"), STRING),
    **dict.fromkeys(("read", "recv", "getline", "random", "lrand48", "labs", "time", "ftell"), LONG),
    **dict.fromkeys(("sqrt", "pow", "floor", "ceil", "fabs", "exp", "log", "round", "fmod"), DOUBLE),
}
ALLOCATORS = {"malloc", "calloc"}  # what MissingNullTest takes for able to return NULL
NO_RETURN = {"exit", "_exit", "_Exit", "abort", "err", "errx", "quick_exit"}

# Pointer arguments that a library function certainly reads or writes through.
DEREFERENCES: dict[str, tuple[int, ...]] = {
    **dict.fromkeys(
        ("strcpy", "strncpy", "strcat", "strncat", "strcmp", "strncmp", "strcasecmp", "strncasecmp"), (0, 1)
    ),
    **dict.fromkeys(
        ("strstr", "memcpy", "memmove", "memcmp", "bcopy", "stpcpy", "strlcpy", "strlcat", "strspn"), (0, 1)
    ),
    **dict.fromkeys(("strlen", "strdup", "strndup", "strchr", "strrchr", "memset", "memchr", "bzero", "atoi"), (0,)),
    **dict.fromkeys(("atol", "atof", "puts", "gets", "fgets", "fread", "fwrite", "fputs", "sprintf", "snprintf"), (0,)),
    **dict.fromkeys(("vsprintf", "vsnprintf", "strtok", "strtol", "strtoul", "strtod", "system", "perror"), (0,)),
    **dict.fromkeys(("read", "write", "recv", "send"), (1,)),
    "fopen": (0, 1),
}
FORMATS = {"printf": 0, "fprintf": 1, "sprintf": 1, "snprintf": 2, "scanf": 0, "fscanf": 1, "sscanf": 1}

_FLAGS = {"O_RDONLY": 0, "O_WRONLY": 1, "O_RDWR": 2, "O_CREAT": 0o100, "O_EXCL": 0o200, "O_TRUNC": 0o1000}
_FLAGS |= {
    "O_APPEND": 0o2000,
    "O_NONBLOCK": 0o4000,
    "O_SYNC": 0o4010000,
    "O_CLOEXEC": 0o2000000,
    "O_NOFOLLOW": 0o400000,
}
_FLAGS |= {"O_TMPFILE": 0o20200000, "O_NOCTTY": 0o400, "O_DSYNC": 0o10000, "O_DIRECTORY": 0o200000}
_MODES = {"S_IRWXU": 0o700, "S_IRUSR": 0o400, "S_IWUSR": 0o200, "S_IXUSR": 0o100, "S_IRWXG": 0o70, "S_IRGRP": 0o40}
_MODES |= {"S_IWGRP": 0o20, "S_IXGRP": 0o10, "S_IRWXO": 7, "S_IROTH": 4, "S_IWOTH": 2, "S_IXOTH": 1}
_MODES |= {
    "S_ISUID": 0o4000,
    "S_ISGID": 0o2000,
    "S_ISVTX": 0o1000,
    "S_IREAD": 0o400,
    "S_IWRITE": 0o200,
    "S_IEXEC": 0o100,
}
_LIMITS = {"INT_MAX": 2**31 - 1, "INT_MIN": -(2**31), "LONG_MAX": 2**63 - 1, "LONG_MIN": -(2**63), "CHAR_BIT": 8}
_LIMITS |= {"RAND_MAX": 2**31 - 1, "SHRT_MAX": 2**15 - 1, "SHRT_MIN": -(2**15), "CHAR_MAX": 127, "CHAR_MIN": -128}
_LIMITS |= {"UCHAR_MAX": 255, "USHRT_MAX": 65535, "LLONG_MAX": 2**63 - 1, "LLONG_MIN": -(2**63), "INT32_MAX": 2**31 - 1}
_LIMITS |= {"EOF": -1, "BUFSIZ": 8192, "PATH_MAX": 4096, "NAME_MAX": 255, "FILENAME_MAX": 4096, "EXIT_SUCCESS": 0}
_LIMITS |= {"EXIT_FAILURE": 1, "true": 1, "false": 0, "STDIN_FILENO": 0, "STDOUT_FILENO": 1, "STDERR_FILENO": 2}
CONSTANTS: dict[str, int] = _FLAGS | _MODES | _LIMITS  # glibc on x86-64
UNSIGNED_CONSTANTS = {"UINT_MAX": 2**32 - 1, "ULONG_MAX": 2**64 - 1, "SIZE_MAX": 2**64 - 1, "UINT32_MAX": 2**32 - 1}
