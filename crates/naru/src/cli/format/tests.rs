//! What redis-cli 7.0.15 prints for these replies, with `--no-raw` and with `--raw`.

use naru_resp::ReplyParser;

use super::Style;

const TABLE: &[(&str, &str, &str)] = &[
    ("+OK\r\n", "OK\n", "OK\n"),
    ("-ERR no\r\n", "(error) ERR no\n", "ERR no\n\n"),
    (":-3\r\n", "(integer) -3\n", "-3\n"),
    ("$2\r\nhi\r\n", "\"hi\"\n", "hi\n"),
    ("$0\r\n\r\n", "\"\"\n", "\n"),
    ("$-1\r\n", "(nil)\n", "\n"),
    ("*-1\r\n", "(nil)\n", "\n"),
    ("_\r\n", "(nil)\n", "\n"),
    (
        "$14\r\n\n\r\t\x07\x08\\\"'\0\x7f한~\r\n",
        "\"\\n\\r\\t\\a\\b\\\\\\\"'\\x00\\x7f\\xed\\x95\\x9c~\"\n",
        "\n\r\t\x07\x08\\\"'\0\x7f한~\n",
    ),
    ("*0\r\n", "(empty array)\n", "\n"),
    ("%0\r\n", "(empty hash)\n", "\n"),
    ("~0\r\n", "(empty set)\n", "\n"),
    ("*2\r\n:1\r\n$1\r\na\r\n", "1) (integer) 1\n2) \"a\"\n", "1\na\n"),
    ("*2\r\n$-1\r\n*-1\r\n", "1) (nil)\n2) (nil)\n", "\n\n"),
    (
        "*2\r\n*2\r\n:1\r\n:2\r\n*1\r\n*2\r\n+a\r\n-ERR b\r\n",
        "1) 1) (integer) 1\n   2) (integer) 2\n2) 1) 1) a\n      2) (error) ERR b\n",
        "1\n2\na\nERR b\n\n",
    ),
    (
        "*10\r\n:7\r\n:7\r\n:7\r\n:7\r\n:7\r\n:7\r\n:7\r\n:7\r\n:7\r\n*2\r\n:8\r\n*0\r\n",
        " 1) (integer) 7\n 2) (integer) 7\n 3) (integer) 7\n 4) (integer) 7\n 5) (integer) 7\n \
         6) (integer) 7\n 7) (integer) 7\n 8) (integer) 7\n 9) (integer) 7\n10) 1) (integer) 8\n    \
         2) (empty array)\n",
        "7\n7\n7\n7\n7\n7\n7\n7\n7\n8\n\n",
    ),
    ("*1\r\n*1\r\n>2\r\n:1\r\n>0\r\n", "1) 1) 1) (integer) 1\n      2) (empty push)\n", "1\n\n"),
    (
        "*3\r\n$9\r\nsubscribe\r\n$2\r\nch\r\n:1\r\n",
        "1) \"subscribe\"\n2) \"ch\"\n3) (integer) 1\n",
        "subscribe\nch\n1\n",
    ),
    ("%1\r\n+a\r\n_\r\n", "1# a => (nil)\n", "a \n"),
    ("%1\r\n+a\r\n*0\r\n", "1# a => (empty array)\n", "a \n"),
    ("%1\r\n+a\r\n*1\r\n:1\r\n", "1# a => 1) (integer) 1\n", "a 1\n"),
    ("%1\r\n+a\r\n*2\r\n:1\r\n:2\r\n", "1# a => \n   1) (integer) 1\n   2) (integer) 2\n", "a 1\n2\n"),
    ("%1\r\n+a\r\n~2\r\n:1\r\n:2\r\n", "1# a => \n   1~ (integer) 1\n   2~ (integer) 2\n", "a 1\n2\n"),
    ("%1\r\n+a\r\n%1\r\n:1\r\n:2\r\n", "1# a => 1# (integer) 1 => (integer) 2\n", "a 1 2\n"),
    (
        "%1\r\n+a\r\n%2\r\n:1\r\n:2\r\n:3\r\n:4\r\n",
        "1# a => \n   1# (integer) 1 => (integer) 2\n   2# (integer) 3 => (integer) 4\n",
        "a 1 2\n3 4\n",
    ),
    (
        "%2\r\n$1\r\na\r\n:1\r\n$1\r\nb\r\n*2\r\n:1\r\n%1\r\n+k\r\n+v\r\n",
        "1# \"a\" => (integer) 1\n2# \"b\" => \n   1) (integer) 1\n   2) 1# k => v\n",
        "a 1\nb 1\nk v\n",
    ),
    (
        "%1\r\n*2\r\n:1\r\n:2\r\n%1\r\n:3\r\n:4\r\n",
        "1# 1) (integer) 1\n   2) (integer) 2 => 1# (integer) 3 => (integer) 4\n",
        "1\n2 3 4\n",
    ),
    (
        "*1\r\n%2\r\n+a\r\n%1\r\n+b\r\n*2\r\n:1\r\n:2\r\n+c\r\n=7\r\ntxt:x\ny\r\n",
        "1) 1# a => \n      1# b => \n         1) (integer) 1\n         2) (integer) 2\n   2# c => x\ny\n",
        "a b 1\n2\nc x\ny\n",
    ),
    (
        "%1\r\n+a\r\n~1\r\n*1\r\n>2\r\n:1\r\n:2\r\n",
        "1# a => \n   1~ 1) 1) (integer) 1\n         2) (integer) 2\n",
        "a 1\n2\n",
    ),
    (
        "%1\r\n+a\r\n%1\r\n*2\r\n:1\r\n:2\r\n:3\r\n",
        "1# a => 1# 1) (integer) 1\n      2) (integer) 2 => (integer) 3\n",
        "a 1\n2 3\n",
    ),
    ("%1\r\n+a\r\n%1\r\n+b\r\n%1\r\n+c\r\n*0\r\n", "1# a => 1# b => 1# c => (empty array)\n", "a b c \n"),
    ("%1\r\n-ERR a\r\n-ERR b\r\n", "1# (error) ERR a => (error) ERR b\n", "ERR a\n ERR b\n\n"),
    ("~2\r\n:1\r\n~1\r\n+a\r\n", "1~ (integer) 1\n2~ 1~ a\n", "1\na\n"),
    ("#t\r\n", "(true)\n", "(true)\n"),
    ("#f\r\n", "(false)\n", "(false)\n"),
    (",1.5\r\n", "(double) 1.5\n", "1.5\n"),
    (",inf\r\n", "(double) inf\n", "inf\n"),
    (",-inf\r\n", "(double) -inf\n", "-inf\n"),
    ("=8\r\ntxt:a\nb\n\r\n", "a\nb\n\n", "a\nb\n\n"),
];

#[test]
fn replies_look_as_redis_cli_shows_them() {
    for (reply, formatted, raw) in TABLE {
        let (value, _) = ReplyParser::default().next(reply.as_bytes()).unwrap().unwrap();
        let shown = |style: Style| String::from_utf8(style.format(&value)).unwrap();
        assert_eq!(
            (shown(Style::Formatted), shown(Style::Raw)),
            (formatted.to_string(), raw.to_string()),
            "{reply:?}"
        );
    }
}

#[test]
fn texts_for_people_are_printed_as_they_are() {
    let style = |line: &str| {
        let command: Vec<_> = line.split(' ').map(|word| word.as_bytes().to_vec()).collect();
        Style::Formatted.of_reply(&command)
    };
    for line in ["INFO", "info clients", "client LIST", "client info", "latency doctor"] {
        assert_eq!(style(line), Style::Text, "{line}");
    }
    for line in ["client id", "client", "get info"] {
        assert_eq!(style(line), Style::Formatted, "{line}");
    }
    let text = naru_resp::Value::Verbatim(b"# Server\r\n".to_vec());
    assert_eq!(Style::Text.format(&text), b"# Server\r\n");
}
