# What the cases of the coverage table may use. check returns a value as a string, with its
# types and contexts, or "caught" if it ends in what tryEval catches.
let
  quote = s: "'" + builtins.replaceStrings
    [ "\\" "\n" "'" "\r" "\t" "\"" "$" ] [ "\\\\" "\\n" "\\'" "\\r" "\\t" "″" "＄" ]
    (builtins.unsafeDiscardStringContext s) + "'";
  show = depth: v: {
    null = "null";
    bool = if v then "true" else "false";
    int = toString v;
    float = "~" + toString v;
    string = quote v + (if builtins.hasContext v then "#" + show depth (builtins.getContext v) else "");
    path = "path:" + toString v;
    lambda = "<function ${show depth (builtins.functionArgs v)}>";
    list = if depth > 8 then "[ more ]" else "[ " + toString (map (show (depth + 1)) v) + " ]";
    set =
      if depth > 8 then "{ more }"
      else if (v.type or null) == "derivation" && v ? drvAttrs then "<derivation ${show depth v.drvPath} ${show depth v.outPath}>"
      else "{ " + toString (map (n: quote n + "=" + show (depth + 1) v.${n} + ";") (builtins.attrNames v)) + " }";
  }.${builtins.typeOf v};
in
{
  check = e: let r = builtins.tryEval (show 0 e); in if r.success then r.value else "caught";
  drv = derivation { name = "d"; builder = "b"; system = "s"; };
  ctx = builtins.toFile "c" "text";
}
