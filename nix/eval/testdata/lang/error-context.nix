# fails: messages of the program are part of the trace
builtins.addErrorContext "while evaluating the option 'port'" (builtins.addErrorContext "inner" (throw "must be a port"))
