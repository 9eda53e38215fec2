// guarantee: bytes on standard output are no verdict without the secret
// expect: error
import java.io.*;
import java.util.*;

class Solution {
    public int next(int n) {
        try (FileOutputStream out = new FileOutputStream(FileDescriptor.out)) {
            out.write(new byte[16]); // the secret, guessed
            out.write(new byte[] {0, 1, 0, 0}); // passed, reusable, no detail
        } catch (IOException error) {
            return 1;
        }
        Runtime.getRuntime().halt(0);
        return 0;
    }

    public List<Integer> list(int n) {
        return new ArrayList<>();
    }
}
