"""Writers of Windows file formats, byte for byte as Windows lays them out, for evidence the project makes itself."""
