{
  imports = [ 3 ];
}
