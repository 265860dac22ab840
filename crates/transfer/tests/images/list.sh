find . -printf '%P %y %m %U %G %T@ %l ' \( -type f -printf '%s %n' -o -true \) -printf '\n' | sort
find . -type f -print0 | sort -z | xargs -0r sha256sum
