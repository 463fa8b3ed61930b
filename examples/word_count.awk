#!/usr/bin/awk -f
# A handler in another language: documents come as JSON lines, one result line goes out for each.
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
    # The string ends at the first quote that no backslash stands before.
    while (match(text, /\\./)) text = substr(text, 1, RSTART - 1) " " substr(text, RSTART + 2)
    sub(/".*/, "", text)
    printf "{\"words\":%d}\n", split(text, words, " ")
}
