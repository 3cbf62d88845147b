# placeholder: lists documents, does nothing else
param($Root)
Get-ChildItem -Recurse $Root
