insert into books values ('The Mythical Man-Month', 1975), ('The C Programming Language', 1978);
