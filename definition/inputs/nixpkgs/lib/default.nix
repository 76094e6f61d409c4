(import ../. { }).lib
