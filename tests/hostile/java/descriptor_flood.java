// guarantee: endless bytes on standard output are cut off
// expect: error
import java.io.*;
import java.util.*;

class Solution {
    public int next(int n) {
        try (FileOutputStream out = new FileOutputStream(FileDescriptor.out)) {
            while (true) {
                out.write(new byte[1 << 16]);
            }
        } catch (IOException error) {
            return 1;
        }
    }

    public List<Integer> list(int n) {
        return new ArrayList<>();
    }
}
