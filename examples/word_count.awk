#!/usr/bin/awk -f
# A handler in another language: reads documents as JSON lines and prints one result line per document.
#
#   evtrack run sample.jsonl --key sourcedb,sourceid --handler words \
#     --exec words='awk -f examples/word_count.awk'
{
    text = $0
    if (!match(text, /"text": *"/)) {
        print "{\"words\":0}"
        next
    }
    text = substr(text, RSTART + RLENGTH)
    # The string ends at the first quote without a backslash before it, so remove all escape sequences first.
    while (match(text, /\\./)) text = substr(text, 1, RSTART - 1) " " substr(text, RSTART + 2)
    sub(/".*/, "", text)
    printf "{\"words\":%d}\n", split(text, words, " ")
}
