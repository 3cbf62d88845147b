@rem harmless placeholder: the real one unpacks msiexec.dat and runs it
@exit /b 0
