# placeholder: lists documents, does nothing else
Get-ChildItem -Recurse
